#!/bin/sh
# The package holds what it should, and a program outside the repository that has nothing else of it starts nodes and stops them.
. "$(dirname -- "$0")/../lib.sh"

package=$(sh "$root/build/verbs/pack.sh")
rid=$(host_rid)
version=${package##*/Preconf.Native.}
version=${version%.nupkg}
work=$(cd "$(mktemp -d)" && pwd -P)
trap 'rm -rf "$work"' EXIT
case $work/ in "$root"/*) die "the temporary directory $work is inside the repository" ;; esac

# The folder with the package, and what this machine is configured to take other packages from. Those that are on the disk already are
# not fetched again; this one is never taken from there.
machine=$(dotnet nuget locals global-packages --list | sed 's/^global-packages: //')
[ ! -e "${machine%/}/preconf.native/$version" ] || machine=
mkdir "$work/packages" "$work/program"
cp "$package" "$work/packages/"
cp "$root"/build/smoke/* "$work/program/"
{
  echo '<configuration><packageSources><clear /><add key="package" value="../packages" />'
  dotnet nuget list source --format short | awk '$1 == "E" { sub(/^E /, ""); printf "<add key=\"machine%d\" value=\"%s\" />\n", NR, $0 }'
  echo '</packageSources><fallbackPackageFolders><clear />'
  [ -z "$machine" ] || [ ! -d "$machine" ] || echo "<add key=\"machine\" value=\"$machine\" />"
  echo '</fallbackPackageFolders></configuration>'
} >"$work/program/nuget.config"

cd "$work/program"
export NUGET_PACKAGES="$work/restored"
dotnet build -c Release -o "$work/out" --nologo -v quiet "-p:SmokeVersion=$version"
failed=0
for file in README.md LICENSE THIRD-PARTY-NOTICES lib/net10.0/Preconf.Native.dll lib/net10.0/Preconf.Native.xml \
  "runtimes/$rid/native/$(rid_field "$rid" 3)"; do
  [ -s "$work/restored/preconf.native/$version/$file" ] || { echo "missing in ${package##*/}: $file"; failed=1; }
done
[ $failed = 0 ] || exit 1
said=$(dotnet "$work/out/Smoke.dll" 2>&1) || { echo "$said"; exit 1; }
echo "note: $said"
