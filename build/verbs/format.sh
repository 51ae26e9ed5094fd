#!/bin/sh
# format   write every source as the formatters want it; --check: only say whether they are so
. "$(dirname -- "$0")/../lib.sh"

need_dotnet
case ${1:-} in
  --check) rust=--check net=--verify-no-changes ;;
  '') rust='' net='' ;;
  *) die "format: unknown option $1" ;;
esac
failed=0
if have cargo; then
  (cd "$root" && cargo fmt --all ${rust:+"$rust"}) || failed=1
else
  say "Rust sources not formatted: cargo is not installed"
fi
dotnet format "$solution" ${net:+"$net"} || failed=1
exit $failed
