#!/bin/sh
# Builds the linux-x64 library from the sources and says whether the committed one is the same byte for byte. On the toolchain of the
# manifest it must be.
. "$(dirname -- "$0")/../lib.sh"

asset=$root/build/assets/linux-x64
[ "$(host_rid)" = linux-x64 ] || { echo "not linux-x64: not compared"; exit 0; }
built=$(sh "$root/build/native.sh" --from-source)
if cmp -s "$built" "$asset/libpreconf_native.so"; then
  echo "the asset is what these sources give, byte for byte"
  exit 0
fi
echo "the asset differs from a build of these sources"
failed=1
for key in rustc cc ld; do
  was=$(manifest_value "$asset/manifest.json" $key)
  is=$(manifest_value "${built%/*}/manifest.json" $key)
  [ "$was" = "$is" ] || { echo "and so does the toolchain: $key was '$was', is '$is'"; failed=0; }
done
exit $failed
