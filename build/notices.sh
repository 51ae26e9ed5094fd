#!/bin/sh
# notices.sh [--check]: writes THIRD-PARTY-NOTICES from the crates that Cargo.lock links into the library, or says whether it is so.
. "$(dirname -- "$0")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/texts"
linked_crates >"$work/crates"
[ -s "$work/crates" ] || die "cargo does not list the crates"
cargo_ fetch --locked >/dev/null 2>&1
sources=$(registry_sources "$(rid_field "$(host_rid)" 2)")
tab=$(printf '\t')

# The files a crate says its licence in: of several licences to choose from MIT, where it is one, has a file of its own.
licence_files() {
  case $2 in
    *' AND '*) ;;
    *MIT*) find "$1" -maxdepth 1 -type f -iname '*licen[cs]e*mit*' | grep . && return ;;
  esac
  find "$1" -maxdepth 1 -type f \( -iname '*licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \)
}

while IFS=$tab read -r name version licence; do
  [ -d "$sources/$name-$version" ] || die "$name $version is not in $sources"
  licence_files "$sources/$name-$version" "$licence" | LC_ALL=C sort | while IFS= read -r file; do
    tr -d '\r' <"$file" | sed 's/[[:space:]]*$//' >"$work/text"
    hash=$(sha256 <"$work/text")
    mv "$work/text" "$work/texts/$hash"
    printf '%s\t%s %s\n' "$hash" "$name" "$version"
  done
done <"$work/crates" >"$work/uses"

{
  echo "The native library of Preconf.Native contains these crates (https://crates.io/crates/NAME). Their licences follow;"
  echo "a crate that carries no licence text of its own is under the licence named here, by its authors."
  echo
  awk -F'\t' '{ printf "%-40s %s\n", $1 " " $2, $3 }' "$work/crates"
  cut -f1 "$work/uses" | awk '!seen[$0]++' | while read -r hash; do
    printf '\n%s\n' '--------------------------------------------------------------------------------'
    awk -F'\t' -v hash="$hash" '$1 == hash && !seen[$2]++ { printf "%s%s", (n++ ? ", " : ""), $2 } END { print ":" }' "$work/uses" | fold -s -w 120 |
      sed 's/[[:space:]]*$//'
    echo
    cat "$work/texts/$hash"
  done
} >"$work/notices"

case ${1:-} in
  --check) cmp -s "$work/notices" "$root/THIRD-PARTY-NOTICES" || { echo "THIRD-PARTY-NOTICES is not of this Cargo.lock: run build/notices.sh"; exit 1; } ;;
  '') cp "$work/notices" "$root/THIRD-PARTY-NOTICES" ;;
  *) die "notices: unknown option $1" ;;
esac
