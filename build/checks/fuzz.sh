#!/bin/sh
# fuzz.sh [SECONDS [TARGET...]]: no input that a fuzzer finds in so long (20) a target breaks what the targets say must hold. The corpus stays in
# target/fuzz for the next run; what fails is kept there too, and belongs among the target's seeds once it is mended.
. "$(dirname -- "$0")/../lib.sh"

has_sanitizer || exit 0
seconds=${1:-20}
[ $# = 0 ] || shift
seeds=$root/native/preconf-native/fuzz/seeds
# shellcheck disable=SC2046 # names without blanks
[ $# -gt 0 ] || set -- $(ls "$seeds")
sanitized build -p preconf-fuzz
program=$root/target/sanitizers/$(rid_field "$(host_rid)" 2)/debug/preconf-fuzz
work=$root/target/fuzz
tried=''
for target in "$@"; do
  mkdir -p "$work/corpus/$target" "$work/failed/$target"
  log=$work/$target.log
  if ! PRECONF_FUZZ_TARGET=$target "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
    -artifact_prefix="$work/failed/$target/" -print_final_stats=1 "$work/corpus/$target" "$seeds/$target" >"$log" 2>&1; then
    tail -n 40 "$log"
    echo "$target does not hold: see $work/failed/$target, and: cargo run -p preconf-fuzz -- $target FILE"
    exit 1
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  # One that tries nothing would hold for ever.
  [ "${runs:-0}" -gt 1000 ] || { tail -n 20 "$log"; echo "$target: only ${runs:-0} inputs were tried"; exit 1; }
  tried="$tried $target $runs"
done
echo "note: inputs tried:$tried"
