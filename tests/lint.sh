#!/bin/bash
# The house rules, then clang-tidy over every source of the dev build.
set -euo pipefail
cd "$(dirname "$0")/.."
node --test --test-reporter=spec tests/tidy/
packaging/build.sh dev
git ls-files 'src/*.cc' 'sdk/*.cc' | xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p build/dev
