#!/bin/sh
# test     the .NET tests, and the Rust tests where cargo can reach the crates; --from-source as in build
. "$(dirname -- "$0")/../lib.sh"

sh "$root/build/verbs/build.sh" "$@"
# One test program after the other: they open sockets and measure time.
failed=0
rm -rf "$root/TestResults"
dotnet test "$solution" -c Release --no-build --nologo -m:1 --logger 'console;verbosity=minimal' --logger trx \
  --results-directory "$root/TestResults" || failed=1

if crates_ready; then
  cargo_ test --workspace --all-features --locked --quiet --no-fail-fast || failed=1
elif [ "${CI:-}" = true ] && have cargo && [ -n "${CARGO_LOCAL_REGISTRY:-}" ]; then
  say "Rust tests FAILED: the crates of Cargo.lock are not all in $CARGO_LOCAL_REGISTRY"
  failed=1
elif have cargo; then
  say "Rust tests not run: cargo can't reach the crates (crates.io, or a local registry named by CARGO_LOCAL_REGISTRY)"
else
  say "Rust tests not run: cargo is not installed (https://rustup.rs)"
fi
exit $failed
