#!/bin/sh
# Source files have fewer than 900 lines and LF line ends; what the sources' hash covers is what git tracks.
. "$(dirname -- "$0")/../lib.sh"

cd "$root"
failed=0
long=$(git ls-files -co --exclude-standard -- '*.rs' '*.cs' '*.sh' '*.ps1' '*.md' '*.yml' '*.props' '*.targets' '*.csproj' | grep -v '\.g\.cs$' |
  tr '\n' '\0' | xargs -0 awk 'FNR == 900 { print FILENAME }')
[ -z "$long" ] || { echo "900 lines or more: $long"; failed=1; }
endings=$(git ls-files --eol | awk '($1 == "i/crlf" || $1 == "i/mixed") && $3 != "attr/-text"')
[ -z "$endings" ] || { echo "line ends: $endings"; failed=1; }
tracked=$(git ls-files -co --exclude-standard -- native ':!native/preconf-bench' ':!native/preconf-native/fuzz' Cargo.toml Cargo.lock | LC_ALL=C sort)
if [ "$tracked" != "$(sources_list)" ]; then
  echo 'sources_list of build/lib.sh and .gitignore disagree about native/'
  failed=1
fi
exit $failed
