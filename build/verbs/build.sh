#!/bin/sh
# build    the native library and every .NET project, Release; --from-source: the native library with cargo
. "$(dirname -- "$0")/../lib.sh"

need_dotnet
sh "$root/build/native.sh" "$@" >/dev/null
exclusive dotnet build "$solution" -c Release --nologo -v quiet
