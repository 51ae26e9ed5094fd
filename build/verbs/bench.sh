#!/bin/sh
# bench    the benchmarks of tests/benchmarks; options go to them
. "$(dirname -- "$0")/../lib.sh"

need_dotnet
project=$root/tests/benchmarks
[ -d "$project" ] || die "there are no benchmarks in tests/benchmarks"
exclusive dotnet build "$project" -c Release --nologo -v quiet >&2
exec dotnet run --project "$project" -c Release --no-build -- "$@"
