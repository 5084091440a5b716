#!/bin/bash
# Runs every fuzz target (or those in FUZZ_TARGETS) for FUZZ_SECONDS, as many at a time as there are
# cores (FUZZ_JOBS), over its corpus and what earlier runs found. Ends with a table; 1 when an input
# broke one. Such an input is left in build/fuzz/, from where it belongs into fuzz/corpus/ as a
# test, once what was wrong is put right.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ -n ${FUZZ_TARGETS:-} ]]; then
  read -ra targets <<<"$FUZZ_TARGETS"
else
  mapfile -t targets < <(basename -a -s .cc fuzz/*_fuzz.cc)
fi
packaging/build.sh fuzz "${targets[@]}"

run() {  # TARGET
  local work=build/fuzz/work/$1 corpus=${1%_fuzz} options=()
  mkdir -p "$work"
  if [[ -f fuzz/dictionaries/$corpus.dict ]]; then
    options+=("-dict=fuzz/dictionaries/$corpus.dict")
  fi
  local status=0
  "build/fuzz/fuzz/$1" -max_total_time="${FUZZ_SECONDS:-60}" -print_final_stats=1 -timeout=30 \
    -rss_limit_mb=1500 -malloc_limit_mb=64 -artifact_prefix="build/fuzz/$1-" \
    ${options[@]+"${options[@]}"} "$work" "fuzz/corpus/$corpus" >"$work.log" 2>&1 || status=$?
  echo "exit status: $status" >>"$work.log"
  echo "$1: done"
}
export -f run
printf '%s\n' "${targets[@]}" | xargs -P "${FUZZ_JOBS:-$(nproc)}" -I '{}' bash -c 'run {}'

last() {  # PATTERN LOG: the number behind the last match, or a dash
  sed -nE "s/.*$1 *([0-9]+).*/\1/p" "$2" | tail -n 1 | grep . || echo -
}
crashes=0
line='%-22s %12s %9s %7s %7s  %s\n'
# shellcheck disable=SC2059
printf "\n$line" target executions 'per s' new edges crash
for name in "${targets[@]}"; do
  log=build/fuzz/work/$name.log
  crash=no
  if ! grep -q '^exit status: 0$' "$log"; then
    crashes=$((crashes + 1))
    crash=$(sed -nE 's/.*Test unit written to (.*)/\1/p' "$log" | tail -n 1)
    crash="${crash:-yes}, see $log"
  fi
  # shellcheck disable=SC2059
  printf "$line" "$name" "$(last number_of_executed_units: "$log")" \
    "$(last average_exec_per_sec: "$log")" "$(last new_units_added: "$log")" \
    "$(last ' cov:' "$log")" "$crash"
done
exit $((crashes > 0))
