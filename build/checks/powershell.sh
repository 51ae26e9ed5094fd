#!/bin/sh
# The PowerShell scripts parse, need no more than Windows PowerShell 5.1, and find the same sources with the same hash as the shell's do.
. "$(dirname -- "$0")/../lib.sh"

project=$root/build/powershell
if ! dotnet restore "$project" --nologo -v quiet >"$root/target/powershell.log" 2>&1; then
  cat "$root/target/powershell.log"
  echo "note: not checked: System.Management.Automation can't be restored"
  exit 0
fi
dotnet build "$project" --no-restore -c Release --nologo -v quiet
library=$(sh "$root/build/native.sh")
manifest=${library%/*}/manifest.json
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{
  for name in $(rids); do echo "rid $name $(rid_field "$name" 2) $(rid_field "$name" 3)"; done
  echo "hash $(sources_hash)"
  sources_list | sed 's/^/source /'
  echo "size $(manifest_value "$manifest" size)"
  echo "rustc $(manifest_value "$manifest" rustc)"
} >"$work/shell"
dotnet "$project/bin/Release/net10.0/PowerShellCheck.dll" "$root" "$manifest" >"$work/powershell"
if ! diff "$work/shell" "$work/powershell"; then
  echo 'build/lib.sh (<) and build/lib.ps1 (>) differ'
  exit 1
fi
