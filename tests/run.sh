#!/bin/bash
# The whole suite: release build with everything, then the two sanitizer builds with all that
# does not need the release binary. Ends with the line "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
results=build/test-results
rm -rf "$results"
mkdir -p "$results"
export CTEST_OUTPUT_ON_FAILURE=1
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1

# ThreadSanitizer of clang 14 needs the addresses of an older kernel; where it is allowed, ask.
steady=()
if setarch "$(uname -m)" -R true 2>/dev/null; then steady=(setarch "$(uname -m)" -R); fi

failed=0
suite() {  # PRESET CTEST-ARGUMENTS...
  local preset=$1
  shift
  echo "== $preset: build"
  if ! packaging/build.sh "$preset"; then
    echo "$preset: the build failed" >>"$results/broken"
    failed=1
    return
  fi
  echo "== $preset: test"
  "${steady[@]}" ctest --test-dir "build/$preset" -j "$(nproc)" --timeout 600 --no-tests=error \
    --output-junit "$PWD/$results/$preset.xml" --test-output-size-passed 1000000 \
    --test-output-size-failed 1000000 "$@" || failed=1
}

began=$SECONDS
packaging/npm-ci.sh tests/interop || failed=1
suite release
suite asan --label-exclude 'interop|tidy|release'
suite tsan --label-exclude 'interop|tidy|release'

echo "== $(((SECONDS - began) / 60)) min $(((SECONDS - began) % 60)) s"
cat "$results/broken" 2>/dev/null
node tests/count.mjs "$results" || failed=1
exit "$failed"
