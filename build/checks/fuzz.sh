#!/bin/sh
# fuzz.sh [SECONDS [TARGET...]]: fuzzes each target for so many seconds (20); fails on an input that breaks what the target says must hold. The corpus
# stays in target/fuzz for the next run; what fails is kept there too, and belongs among the target's seeds once it is mended.
. "$(dirname -- "$0")/../lib.sh"

seconds=${1:-20}
[ $# = 0 ] || shift
case $seconds in '' | 0 | *[!0-9]*) die "fuzz.sh [SECONDS [TARGET...]]: $seconds is no number of seconds" ;; esac
seeds=$root/native/preconf-native/fuzz/seeds
# shellcheck disable=SC2046 # names without blanks
[ $# -gt 0 ] || set -- $(ls "$seeds")
for target in "$@"; do [ -d "$seeds/$target" ] || die "no target $target; there are: $(ls "$seeds" | tr '\n' ' ')"; done

has_sanitizer || exit 0
sanitized build -p preconf-fuzz
program=$root/target/sanitizers/$(rid_field "$(host_rid)" 2)/debug/preconf-fuzz
work=$root/target/fuzz
tried=''
for target in "$@"; do
  corpus=$work/corpus/$target
  mkdir -p "$corpus" "$work/failed/$target"
  log=$work/$target.log
  export PRECONF_FUZZ_TARGET="$target"
  # What a long search has gathered would take the time of a short one: only what reaches something new is kept.
  if [ "$(ls "$corpus" | wc -l)" -gt 2000 ]; then
    mkdir "$corpus.new"
    "$program" -merge=1 "$corpus.new" "$corpus" >"$log" 2>&1 || { tail -n 20 "$log"; exit 1; }
    rm -rf "$corpus"
    mv "$corpus.new" "$corpus"
  fi
  if ! "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -len_control=20 \
    -artifact_prefix="$work/failed/$target/" -print_final_stats=1 "$corpus" "$seeds/$target" >"$log" 2>&1; then
    tail -n 40 "$log"
    echo "$target does not hold; again: PRECONF_FUZZ_TARGET=$target $program FILE of $work/failed/$target; without AddressSanitizer: cargo run -p preconf-fuzz -- $target FILE"
    exit 1
  fi
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  # One that tries nothing would hold for ever.
  [ "${runs:-0}" -gt $((seconds * 10)) ] || { tail -n 20 "$log"; echo "$target: only ${runs:-0} inputs were tried"; exit 1; }
  tried="$tried $target $runs"
done
echo "note: inputs tried:$tried"
