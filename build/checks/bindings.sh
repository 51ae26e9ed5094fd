#!/bin/sh
# NativeMethods.g.cs is what the exports say. The generator is the one that the tests built: the same features, no second build.
. "$(dirname -- "$0")/../lib.sh"

bin=$(cargo_ build --workspace --all-features --locked --quiet --bin generate-bindings --message-format json |
  sed -n 's/.*"executable":"\([^"]*generate-bindings[^"]*\)".*/\1/p')
[ -n "$bin" ] || die "the generator was not built"
exec "$bin" --check
