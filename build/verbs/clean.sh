#!/bin/sh
# clean    delete everything that was built
. "$(dirname -- "$0")/../lib.sh"

cd "$root"
rm -rf target TestResults BenchmarkDotNet.Artifacts src/*/bin src/*/obj tests/*/bin tests/*/obj build/*/bin build/*/obj
