#!/bin/sh
# cargo-native.sh RID SOURCES OUT: builds the library as it is shipped, into OUT with its manifest. No path of this machine gets into it, so
# that two checkouts on one toolchain give the same bytes; a developer's build is the same build and can become the asset.
. "$(dirname -- "$0")/lib.sh"

rid=$1 sources=$2 out=$3
triple=$(rid_field "$rid" 2)
library=$(rid_field "$rid" 3)
target_dir=$(cd "$root" && mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd -P)

say "native: $(rustc --version), ${CARGO_LOCAL_REGISTRY:-crates.io}"
cargo_ fetch --locked --target "$triple" >&2
registry=$(registry_sources "$triple")
std_sources=$(rustc --print sysroot)/lib/rustlib/src/rust
commit=$(rustc -vV | sed -n 's/^commit-hash: //p')

# Separated by 0x1f, as cargo wants it; of several prefixes the last that fits counts.
flags=
# secp256k1's tables of a megabyte make recovery no faster than those of 64 KiB do.
c_flags=-DECMULT_WINDOW_SIZE=11
flag() { flags="$flags${flags:+$(printf '\037')}$1"; }
remap() {
  flag "--remap-path-prefix=$1=$2"
  c_flags="$c_flags '-ffile-prefix-map=$1=$2'"
}
remap "$root" /preconf
remap "$target_dir" /preconf/target
remap "$registry" /crates
remap "$std_sources" "/rustc/$commit"
case $triple in *-musl) flag -Ctarget-feature=-crt-static ;; esac
for option in $(rust_options "$triple"); do flag "$option"; done

export CARGO_ENCODED_RUSTFLAGS="$flags" CFLAGS="$c_flags" CC_SHELL_ESCAPED_FLAGS=1 SOURCE_DATE_EPOCH=0 ZERO_AR_DATE=1
# Of the crate types only the shared library is asked for: with an rlib beside it cargo would leave out link-time optimisation.
cargo_ rustc --release --locked -p "$crate" --lib --crate-type cdylib --target "$triple" --target-dir "$target_dir" >&2

built=$target_dir/$triple/release/$library
[ "$(sources_hash)" = "$sources" ] || die "the sources changed while they were being built: build again"
glibc=
if have objdump; then
  glibc=$(objdump -T "$built" 2>/dev/null | sed -n 's/.*(\{0,1\}GLIBC_\([0-9.]*\).*/\1/p' | sort -t. -k1,1n -k2,2n -u | tail -n 1)
fi
mkdir -p "$out"
cp "$built" "$out/.$library.$$"
cat >"$out/.manifest.$$" <<JSON
{
  "rid": "$rid",
  "target": "$triple",
  "library": "$library",
  "sources": "$sources",
  "sha256": "$(sha256 <"$built")",
  "size": $(wc -c <"$built" | tr -d ' '),
  "rustc": "$(rustc --version)",
  "cc": "$(cc --version 2>/dev/null | head -n 1)",
  "ld": "$(ld --version 2>/dev/null | head -n 1)",
  "glibc": "$glibc"
}
JSON
mv "$out/.$library.$$" "$out/$library"
mv "$out/.manifest.$$" "$out/manifest.json"
