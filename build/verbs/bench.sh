#!/bin/sh
# bench    the benchmarks: micro, ring, net (C# beside plain Rust, where cargo can build it), or all; options go to them
. "$(dirname -- "$0")/../lib.sh"

need_dotnet
project=$root/tests/benchmarks
[ -d "$project" ] || die "there are no benchmarks in tests/benchmarks"
exclusive dotnet build "$project" -c Release --nologo -v quiet >&2
if crates_ready; then
  RUSTFLAGS=$(rust_options "$(rustc -vV | sed -n 's/^host: //p')" | tr '\n' ' ')
  export RUSTFLAGS
  built=${CARGO_TARGET_DIR:-$root/target}/release
  cargo_ build --release --locked -p preconf-bench >&2
  PRECONF_BENCH_RUST=$built/preconf-bench
  export PRECONF_BENCH_RUST
  case ${1:-} in
    '' | ring | --quick)
      # The ring's benchmark takes a library with the exports that emit events, from a place no other build takes one from.
      cargo_ rustc --release --locked -p "$crate" --lib --crate-type cdylib --features test-exports >&2
      PRECONF_BENCH_LIBRARY=$built/$(rid_field "$(host_rid)" 3)
      export PRECONF_BENCH_LIBRARY
      ;;
  esac
fi
PRECONF_BENCH_OUTPUT=$root/target/bench
export PRECONF_BENCH_OUTPUT
exec dotnet run --project "$project" -c Release --no-build -- "$@"
