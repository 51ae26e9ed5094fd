#!/bin/sh
# run      the demonstration: several nodes on loopback, each a process of its own
. "$(dirname -- "$0")/../lib.sh"

need_dotnet
exclusive dotnet build "$root/src/Preconf.Node" -c Release --nologo -v quiet >&2
exec dotnet "$root/src/Preconf.Node/bin/Release/net10.0/preconf-node.dll" demo "$@"
