#!/bin/sh
# The top level holds what it should and nothing else.
. "$(dirname -- "$0")/../lib.sh"

required='native src tests build Preconf.Native.sln Cargo.toml Cargo.lock build.ps1 build.sh README.md LICENSE THIRD-PARTY-NOTICES'
allowed="$required Directory.Build.props Directory.Packages.props global.json .ci .editorconfig .gitattributes .github .gitignore .rustfmt.toml"
failed=0
for name in $required; do
  [ -e "$root/$name" ] || { echo "missing: $name"; failed=1; }
done
for name in $(git -C "$root" ls-files -co --exclude-standard | cut -d/ -f1 | sort -u); do
  case " $allowed " in *" $name "*) ;; *) echo "does not belong at the top: $name"; failed=1 ;; esac
done
exit $failed
