#!/bin/bash
# Runs every fuzz target for FUZZ_SECONDS over a copy of its corpus. A crash leaves its input in
# build/fuzz/, from where it belongs into fuzz/corpus/ as a test.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t targets < <(basename -a -s .cc fuzz/*_fuzz.cc)
packaging/build.sh fuzz "${targets[@]}"
for name in "${targets[@]}"; do
  work=build/fuzz/work/$name
  mkdir -p "$work"
  echo "== $name"
  "build/fuzz/fuzz/$name" -max_total_time="${FUZZ_SECONDS:-60}" -print_final_stats=1 \
    -artifact_prefix="build/fuzz/$name-" "$work" "fuzz/corpus/${name%_fuzz}"
done
