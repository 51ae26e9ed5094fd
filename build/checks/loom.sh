#!/bin/sh
# The loom models of the ring and the leases hold, and all of them ran.
. "$(dirname -- "$0")/../lib.sh"

models=$(grep -c '^fn loom_' "$root/native/preconf-ring/src/model.rs")
export RUSTFLAGS='--cfg loom'
unset CARGO_ENCODED_RUSTFLAGS
out=$(cargo_ test --release --locked --quiet -p preconf-ring --lib --target-dir "$root/target/loom" 2>&1) || { echo "$out"; exit 1; }
ran=$(echo "$out" | sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p')
[ "$ran" = "$models" ] || { echo "$out"; echo "${ran:-no} models ran of $models"; exit 1; }
echo "note: $ran models"
