#!/bin/sh
# bench    the benchmarks: micro, net (C# beside plain Rust, where cargo can build it), or both; options go to them
. "$(dirname -- "$0")/../lib.sh"

need_dotnet
project=$root/tests/benchmarks
[ -d "$project" ] || die "there are no benchmarks in tests/benchmarks"
exclusive dotnet build "$project" -c Release --nologo -v quiet >&2
if crates_ready; then
  RUSTFLAGS=$(rust_options "$(rustc -vV | sed -n 's/^host: //p')") cargo_ build --release --locked -p preconf-bench >&2
  PRECONF_BENCH_RUST=${CARGO_TARGET_DIR:-$root/target}/release/preconf-bench
  export PRECONF_BENCH_RUST
fi
PRECONF_BENCH_OUTPUT=$root/target/bench
export PRECONF_BENCH_OUTPUT
exec dotnet run --project "$project" -c Release --no-build -- "$@"
