#!/bin/sh
# The verbs of this repository; each has its own file in build/verbs. Without a verb: what there is.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
verb=${1:-help}
[ $# -eq 0 ] || shift
case $verb in
  help | -h | --help)
    echo "usage: ./build.sh VERB [options]"
    for file in "$root"/build/verbs/*.sh; do sed -n '2s/^# /  /p' "$file"; done
    ;;
  native | build | test | run | bench | soak | pack | format | clean) exec sh "$root/build/verbs/$verb.sh" "$@" ;;
  *)
    echo "error: no verb '$verb'; ./build.sh help lists them" >&2
    exit 2
    ;;
esac
