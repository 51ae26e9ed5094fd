#!/bin/sh
# Every crate linked into the library has a licence that somebody has looked at.
. "$(dirname -- "$0")/../lib.sh"

# MPL-2.0 binds the files it is on, which are taken as they are from crates.io (attohttpc, of which the linker keeps nothing).
# One allowed alternative is enough; where an expression has parentheses, every licence in it must be allowed.
allowed='MIT|MIT-0|Apache-2.0|Apache-2.0 WITH LLVM-exception|BSD-2-Clause|BSD-3-Clause|ISC|Zlib|Unicode-3.0|CC0-1.0|0BSD|Unlicense|CDLA-Permissive-2.0|BSL-1.0|MPL-2.0'
linked_crates | awk -F'\t' -v allowed="$allowed" '
  function good(expression,   n, parts, i, m, all, j) {
    if (gsub(/[()]/, "", expression)) gsub(/ OR /, " AND ", expression)
    n = split(expression, parts, / OR | ?\/ ?/)
    for (i = 1; i <= n; i++) {
      m = split(parts[i], all, / AND /)
      for (j = 1; j <= m && all[j] ~ ("^(" allowed ")$"); j++);
      if (j > m) return 1
    }
    return 0
  }
  !good($3) { print $1, $2, "has the licence", ($3 == "" ? "(none)" : $3); bad = 1 }
  END { if (NR < 50) { print "only", NR, "crates found"; bad = 1 }; exit bad }'
