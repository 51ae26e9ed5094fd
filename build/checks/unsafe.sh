#!/bin/sh
# Unsafe Rust only at the C ABI and in the ring.
. "$(dirname -- "$0")/../lib.sh"

cd "$root"
found=$(find native build -name '*.rs' ! -path '*/target/*' ! -path 'native/preconf-native/*' ! -path 'native/preconf-ring/*' \
  -exec grep -nE '\bunsafe\b' {} + | grep -vE ':[0-9]+:[[:space:]]*//|unsafe_code|unsafe_op_in' || true)
[ -z "$found" ] || { echo "$found"; exit 1; }
