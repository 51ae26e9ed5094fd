#!/bin/sh
# The committed linux-x64 library is whole and made of these sources.
. "$(dirname -- "$0")/../lib.sh"

dir=$root/build/assets/linux-x64
manifest=$dir/manifest.json
[ -f "$manifest" ] || { echo "no $manifest"; exit 1; }
failed=0
same() { [ "$2" = "$3" ] || { echo "$1: the manifest says $2, here it is $3; ./build.sh native --refresh-asset makes it anew"; failed=1; }; }
same sources "$(manifest_value "$manifest" sources)" "$(sources_hash)"
same sha256 "$(manifest_value "$manifest" sha256)" "$(sha256 <"$dir/libpreconf_native.so")"
if strings -a "$dir/libpreconf_native.so" 2>/dev/null | grep -nE '/home/|/root/|/Users/|\.cargo/|/tmp/'; then
  echo 'paths of the machine it was built on are in the asset'
  failed=1
fi
exit $failed
