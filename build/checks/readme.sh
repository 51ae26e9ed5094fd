#!/bin/sh
# What README.md names is there: verbs, paths, and the program's commands and flags.
# shellcheck disable=SC2013,SC2016 # words are meant, and the backticks are Markdown's
. "$(dirname -- "$0")/../lib.sh"

cd "$root"
failed=0
missing() { echo "README.md names $1, which is not there"; failed=1; }
for verb in $(grep -o '\./build\.sh [a-z]*' README.md | awk '{ print $2 }' | sort -u); do
  [ -f "build/verbs/$verb.sh" ] || missing "./build.sh $verb"
done
for path in $(grep -oE '`(\.ci|\.github|build|native|src|tests)/[A-Za-z0-9_./-]*`' README.md | tr -d '`' | sort -u); do
  [ -e "$path" ] || missing "$path"
done
node=src/Preconf.Node/bin/Release/net10.0/preconf-node.dll
[ -f "$node" ] || { echo "not built: $node"; exit 1; }
# The first column of the tables: commands like `key make`, flags like `--listen MULTIADDR`.
for flag in $(sed -n 's/^| `\(--[a-z-]*\).*/\1/p' README.md | sort -u); do
  dotnet "$node" run --help | grep -q -e "$flag" || missing "the flag $flag"
done
sed -n '/^| command /,/^$/p' README.md | sed -n 's/^| \(`[^|]*\) |.*/\1/p' | tr ',' '\n' | tr -d '`' | while read -r command; do
  # shellcheck disable=SC2086 # a command may be two words
  dotnet "$node" $command --help >/dev/null 2>&1 || echo "$command"
done >target/readme-missing
while read -r command; do missing "the command $command"; done <target/readme-missing
exit $failed
