#!/bin/sh
# soak     200 peers around one node, 20 a second of them replaced for two minutes: nothing grows; --quick is CI's
. "$(dirname -- "$0")/../lib.sh"

need_dotnet
project=$root/tests/soak
exclusive dotnet build "$project" -c Release --nologo -v quiet >&2
exec dotnet run --project "$project" -c Release --no-build -- "$@"
