#!/bin/sh
# run.sh ARGUMENTS...: node with these arguments in this folder, once its packages are installed.
set -eu
folder=$(cd "$(dirname "$0")" && pwd)
"$folder/../../packaging/npm-ci.sh" "$folder/../interop"
cd "$folder"
exec node "$@"
