#!/bin/sh
# exports.sh [LIBRARY]: what the library exports is what NativeMethods.g.cs imports, both ways. A DLL also has four names of secp256k1-sys,
# which no means of the compiler hides there.
. "$(dirname -- "$0")/../lib.sh"

library=${1:-$(sh "$root/build/native.sh")}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -n 's/.*EntryPoint = "\([^"]*\)".*/\1/p' "$root/src/Preconf.Native/Interop/NativeMethods.g.cs" | LC_ALL=C sort -u >"$work/imports"
case $library in
  *.dll) "$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/llvm-readobj" --coff-exports "$library" |
    sed -n 's/^ *Name: //p' | grep -v '^rustsecp256k1_' ;;
  *.dylib) nm -gU "$library" | awk '{ print $3 }' | sed 's/^_//' ;;
  *) nm -D --defined-only "$library" | awk '{ print $3 }' ;;
esac | LC_ALL=C sort -u >"$work/exports"
[ -s "$work/imports" ] || die "no imports found"
if ! diff "$work/imports" "$work/exports" >"$work/difference"; then
  echo "imports (<) and exports (>) differ in $library:"
  cat "$work/difference"
  exit 1
fi
