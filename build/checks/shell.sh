#!/bin/sh
# The scripts parse; where shellcheck is installed, it finds nothing.
. "$(dirname -- "$0")/../lib.sh"

cd "$root"
failed=0
for file in build.sh build/*.sh build/verbs/*.sh build/checks/*.sh; do sh -n "$file" || failed=1; done
bash -n .ci/run || failed=1
if have shellcheck; then
  shellcheck -x -P SCRIPTDIR build.sh build/*.sh build/verbs/*.sh build/checks/*.sh .ci/run || failed=1
else
  echo "shellcheck is not installed: parsed only"
fi
exit $failed
