#!/bin/sh
# Cargo.lock: floors under crates with known faults, nothing banned, crates.io only.
. "$(dirname -- "$0")/../lib.sh"

awk '
  function number(version,   part) { split(version, part, /[.+-]/); return part[1] * 1000000 + part[2] * 1000 + part[3] }
  function fault(text) { print text; bad = 1 }
  BEGIN {
    floor["libp2p-gossipsub"] = "0.50.1"; floor["yamux"] = "0.13.10"; floor["quinn-proto"] = "0.11.15"
    floor["hickory-proto"] = "0.26.1"; floor["hickory-resolver"] = "0.26.1"; floor["bytes"] = "1.11.1"
    needed = "libp2p-gossipsub yamux quinn-proto hickory-proto hickory-resolver bytes"
    banned = "^(openssl|openssl-sys|openssl-src|native-tls|boring|boring-sys|jemalloc-sys|tikv-jemalloc-sys|mimalloc|signal-hook)$"
  }
  /^name = /    { gsub(/"/, ""); name = $3 }
  /^version = / { gsub(/"/, ""); if (name == "") next
                  version = $3; seen[name] = 1
                  if (name in floor && number(version) < number(floor[name])) fault(name " " version " is older than " floor[name])
                  if (name ~ banned) fault(name " must not be linked")
                  name = "" }
  /^source = /  { if ($0 !~ /registry\+https:\/\/github\.com\/rust-lang\/crates/) fault("not from crates.io: " $0) }
  END {
    count = split(needed, names, " ")
    for (i = 1; i <= count; i++) if (!(names[i] in seen)) fault(names[i] " is not in Cargo.lock: revise build/checks/lock.sh")
    exit bad
  }' "$root/Cargo.lock"
