#!/bin/sh
# pack     the NuGet package, into target/package
. "$(dirname -- "$0")/../lib.sh"

need_dotnet
rm -rf "$root/target/package"
exclusive dotnet pack "$root/src/Preconf.Native" -c Release -o "$root/target/package" --nologo -v quiet >&2
ls "$root"/target/package/*.nupkg
