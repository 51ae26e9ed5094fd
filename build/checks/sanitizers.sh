#!/bin/sh
# No read or write outside of what was given, no use after a free, no leak, in the ring and at the C ABI: their tests under AddressSanitizer.
. "$(dirname -- "$0")/../lib.sh"

triple=$(rid_field "$(host_rid)" 2)
if ! find "$(rustc --print sysroot)/lib/rustlib/$triple/lib" -name 'librustc-*_rt.asan.*' | grep -q .; then
  echo 'note: not run: this Rust toolchain has no AddressSanitizer'
  exit
fi

# A stable toolchain has the sanitizer's runtime, but takes the option only when told so. The code is built apart: every crate of it is instrumented.
export RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address
unset CARGO_ENCODED_RUSTFLAGS
sanitized() { cargo_ test --locked --quiet --target "$triple" --target-dir "$root/target/sanitizers" "$@" 2>&1 || exit 1; }
# Two tests look at the memory of the process, and the sanitizer keeps for a while what was freed.
out=$(sanitized -p preconf-ring --lib &&
  sanitized -p "$crate" --all-features --tests -- --skip a_million_events_leave_no_memory_behind --skip nodes_come_and_go_without_growth) || { echo "$out"; exit 1; }
echo "note: $(echo "$out" | sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' | awk '{ n += $1 } END { print n + 0 }') tests"
