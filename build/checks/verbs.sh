#!/bin/sh
# build.sh and build.ps1 have the same verbs, and build.sh a script for each.
. "$(dirname -- "$0")/../lib.sh"

cd "$root"
files=$(for file in build/verbs/*.sh; do basename "$file" .sh; done | sort | tr '\n' ' ')
shell=$(sh build.sh help | awk 'NR > 1 { print $1 }' | sort | tr '\n' ' ')
power=$(sed -n "s/^ *'\([a-z]*\)' *{.*/\1/p" build.ps1 | grep -v help | sort | tr '\n' ' ')
if [ "$files" != "$shell" ] || [ "$files" != "$power" ]; then
  printf 'build/verbs: %s\nbuild.sh: %s\nbuild.ps1: %s\n' "$files" "$shell" "$power"
  exit 1
fi
for verb in $files; do
  grep -qE "(^|[ |])$verb( \||\))" build.sh || { echo "build.sh does not dispatch $verb"; exit 1; }
done
if sh build.sh no-such-verb 2>/dev/null; then echo 'an unknown verb is no error'; exit 1; fi
