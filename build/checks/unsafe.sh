#!/bin/sh
# Unsafe Rust only at the C ABI, in the ring, and in the fuzz targets of both.
. "$(dirname -- "$0")/../lib.sh"

cd "$root"
found=$(find native build -name '*.rs' ! -path '*/target/*' ! -path 'native/preconf-native/*' ! -path 'native/preconf-ring/*' \
  -exec grep -nE '\bunsafe\b' {} + | grep -vE ':[0-9]+:[[:space:]]*//|unsafe_code|unsafe_op_in' || true)
[ -z "$found" ] || { echo "$found"; exit 1; }
