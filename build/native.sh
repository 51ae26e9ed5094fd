#!/bin/sh
# Finds the native library of one platform, or builds it, and prints its path. In this order: a local build of these very sources, the
# committed asset of these very sources, cargo. See ./build.sh help for the options.
. "$(dirname -- "$0")/lib.sh"

rid=$(host_rid)
from_source=no
refresh=no
items=
while [ $# -gt 0 ]; do
  case $1 in
    --from-source) from_source=yes ;;
    --refresh-asset) from_source=yes refresh=yes ;;
    --rid) rid=${2:?--rid needs a name}; shift ;;
    --items) items=${2:?--items needs a file}; shift ;;
    *) die "native: unknown option $1" ;;
  esac
  shift
done

triple=$(rid_field "$rid" 2)
library=$(rid_field "$rid" 3)
[ -n "$triple" ] || die "no platform '$rid' in build/rids.txt: $(rids | tr '\n' ' ')"
sources=$(sources_hash)
local_dir=$root/target/native/$rid
asset_dir=$root/build/assets/$rid

# Is the library in this directory whole, and made of the sources that are here?
matches() {
  [ -f "$1/manifest.json" ] && [ -f "$1/$library" ] &&
    [ "$(manifest_value "$1/manifest.json" sources)" = "$sources" ] &&
    [ "$(manifest_value "$1/manifest.json" sha256)" = "$(sha256 <"$1/$library")" ]
}

build() {
  have cargo || die "the native library for $rid must be built (no build or asset has the hash of these sources), and cargo is missing: \
install Rust 1.95 or later from https://rustup.rs and a C compiler"
  have perl || die "perl is missing (keccak's assembly is generated with it): install perl"
  have cc || have gcc || have clang || die "a C compiler is missing (for secp256k1 and ring): install gcc or clang"
  say "native: building for $rid; this takes minutes, once"
  sh "$root/build/cargo-native.sh" "$rid" "$sources" "$local_dir" ||
    die "the native library for $rid could not be built; where crates.io is out of reach, CARGO_LOCAL_REGISTRY may name a cargo local registry"
}

found=
if [ $from_source = no ]; then
  if matches "$local_dir"; then
    found=$local_dir
  elif matches "$asset_dir"; then
    found=$asset_dir
  fi
fi
if [ -z "$found" ]; then
  build
  found=$local_dir
fi
if [ $refresh = yes ]; then
  mkdir -p "$asset_dir"
  cp "$local_dir/$library" "$local_dir/manifest.json" "$asset_dir/"
  found=$asset_dir
  say "native: build/assets/$rid is now of these sources"
fi

# For MSBuild: "rid|path|copy" for the developer's copy, then "rid|path|" for each further platform whose asset is of these sources.
if [ -n "$items" ]; then
  {
    echo "$rid|$found/$library|copy"
    for other in $(rids); do
      if [ "$other" != "$rid" ] && [ -d "$root/build/assets/$other" ]; then
        library=$(rid_field "$other" 3)
        matches "$root/build/assets/$other" || die "build/assets/$other is not of these sources: refresh or delete it"
        echo "$other|$root/build/assets/$other/$library|"
      fi
    done
  } >"$items.$$"
  mv "$items.$$" "$items"
fi
echo "$found/$library"
