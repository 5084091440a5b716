#!/bin/bash
# Builds the release binary and the load generators, measures how costs grow, and writes
# bench/GROWTH.md. QUICK=1, PARTS (a comma list) and ROUNDS shorten it.
set -euo pipefail
cd "$(dirname "$0")/.."
packaging/build.sh release fairlead fairlead-bench fairlead-growth
ulimit -n "$(ulimit -Hn)"
exec node bench/growth.mjs "$@"
