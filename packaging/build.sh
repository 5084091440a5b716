#!/bin/sh
# build.sh PRESET [TARGET...]: configures build/PRESET and builds it.
set -eu
cd "$(dirname "$0")/.."
preset=$1
shift
mkdir -p "build/$preset"
if ! cmake --preset "$preset" >"build/$preset/configure.log" 2>&1; then
  cat "build/$preset/configure.log" >&2
  exit 1
fi
exec cmake --build "build/$preset" ${1:+--target "$@"}
