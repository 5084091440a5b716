#!/bin/bash
# SIM_SEEDS simulated worlds (20,000), from seed SIM_FROM (1) on, one process per core. The first
# that breaks a promise ends its process, which says how that world is run again. Exit code 1 then.
set -uo pipefail
cd "$(dirname "$0")/.."
packaging/build.sh release test_sim || exit 1
jobs=$(nproc)
from=${SIM_FROM:-1}
part=$(((${SIM_SEEDS:-20000} + jobs - 1) / jobs))
pids=()
for ((job = 0; job < jobs; ++job)); do
  first=$((from + job * part))
  FAIRLEAD_SEEDS="$first..$((first + part - 1))" build/release/tests/sim/test_sim --gtest_brief=1 &
  pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
exit "$failed"
