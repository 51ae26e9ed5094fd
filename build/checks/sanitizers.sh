#!/bin/sh
# No read or write outside of what was given, no use after a free, no leak, in the ring and at the C ABI: their tests under AddressSanitizer.
. "$(dirname -- "$0")/../lib.sh"

has_sanitizer || exit 0
# Two tests look at the memory of the process, and the sanitizer keeps for a while what was freed.
out=$(sanitized test -p preconf-ring --lib 2>&1 &&
  sanitized test -p "$crate" --all-features --tests -- --skip a_million_events_leave_no_memory_behind --skip nodes_come_and_go_without_growth 2>&1) || {
  echo "$out"
  exit 1
}
echo "note: $(echo "$out" | sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' | awk '{ n += $1 } END { print n + 0 }') tests"
