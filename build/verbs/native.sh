#!/bin/sh
# native   find or build the native library; --from-source, --rid RID, --refresh-asset (build it and commit it as build/assets/RID)
exec sh "$(dirname -- "$0")/../native.sh" "$@"
