#!/bin/bash
# What replaying the corpora covers of the folders that read what peers send: a table. With
# FUZZ_FOUND=1, what `make fuzz` has found here is replayed too.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t targets < <(basename -a -s .cc fuzz/*_fuzz.cc)
packaging/build.sh coverage "${targets[@]}"

build=build/coverage
rm -rf "$build/profiles"
mkdir -p "$build/profiles"
programs=()
for name in "${targets[@]}"; do
  corpora=("fuzz/corpus/${name%_fuzz}")
  if [[ -n ${FUZZ_FOUND:-} && -d build/fuzz/work/$name ]]; then
    corpora+=("build/fuzz/work/$name")
  fi
  LLVM_PROFILE_FILE="$build/profiles/$name" "$build/fuzz/$name" "${corpora[@]}" >/dev/null
  programs+=(-object "$build/fuzz/$name")
done
llvm-profdata-14 merge -sparse -o "$build/merged" "$build"/profiles/*
llvm-cov-14 export -summary-only -instr-profile "$build/merged" "${programs[@]}" |
  node tests/coverage_table.mjs
