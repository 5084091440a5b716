#!/bin/sh
# run.sh FILE: one suite under node's test runner; FAIRLEAD names the binary.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)
"$folder/../../packaging/npm-ci.sh" "$folder"
exec node --test --test-reporter=spec "$1"
