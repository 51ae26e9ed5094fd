#!/bin/sh
# bench    measures, beside plain Rust and what is asked: all, or micro, ring, net; --check, --quick, --runs N, --record; --help tells more
. "$(dirname -- "$0")/../lib.sh"

need_dotnet
project=$root/tests/benchmarks
[ -d "$project" ] || die "there are no benchmarks in tests/benchmarks"
part=all quick=no help=no
case ${1:-} in micro | ring | net) part=$1 ;; esac
for option in "$@"; do
  case $option in
    --quick) quick=yes ;;
    --help | -h) help=yes ;;
    --only) [ "$part" != all ] || part=net ;;
    --filter) [ "$part" != all ] || part=micro ;;
  esac
done

# Reads the .NET project's own sources only; what it says of a wrong command line comes before minutes of building.
exclusive dotnet build "$project" -c Release --nologo -v quiet >&2
run() { dotnet run --project "$project" -c Release --no-build -- "$@"; }
if [ $help = yes ]; then
  run --help
  exit
fi
run check-options "$@" || exit

if crates_ready; then
  target=${CARGO_TARGET_DIR:-$root/target}
  if [ $quick = yes ]; then
    # What the Rust tests build, too: only shows that all of it runs.
    built=$target/debug
    cargo_ build --workspace --all-features --locked --lib --bins --tests --quiet >&2
  else
    built=$target/release
    RUSTFLAGS=$(rust_options "$(rustc -vV | sed -n 's/^host: //p')" | tr '\n' ' ')
    export RUSTFLAGS
    cargo_ build --release --locked -p preconf-bench >&2
    case $part in
      all | ring)
        # The ring's benchmark takes a library with the exports that emit events, from a place no other build takes one from.
        cargo_ rustc --release --locked -p "$crate" --lib --crate-type cdylib --features test-exports >&2
        ;;
    esac
  fi
  PRECONF_BENCH_RUST=$built/preconf-bench
  export PRECONF_BENCH_RUST
  case $part in
    all | ring)
      PRECONF_BENCH_LIBRARY=$built/$(rid_field "$(host_rid)" 3)
      export PRECONF_BENCH_LIBRARY
      ;;
  esac
fi
PRECONF_BENCH_OUTPUT=$root/target/bench
export PRECONF_BENCH_OUTPUT
run "$@"
