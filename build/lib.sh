# Sourced by every script of build/: where things are, words, the RID table, hashes, cargo.
# shellcheck shell=sh disable=SC2034
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")" && until [ -f build/rids.txt ] || [ "$PWD" = / ]; do cd ..; done && pwd -P)
solution=$root/Preconf.Native.sln
crate=preconf-native

# Build servers would outlive the command.
export MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=false DOTNET_CLI_USE_MSBUILD_SERVER=0
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# rids: the RIDs of the table. rid_field RID N: a column of one RID's line.
rids() { awk '!/^#/ && NF { print $1 }' "$root/build/rids.txt"; }
rid_field() { awk -v rid="$1" -v n="$2" '$1 == rid { print $n }' "$root/build/rids.txt"; }

host_rid() {
  case $(uname -s) in
    Linux) os=linux; if ldd --version 2>&1 | grep -qi musl; then os=linux-musl; fi ;;
    Darwin) os=osx ;;
    MINGW* | MSYS*) os=win; case $(uname -s) in *ARM64*) echo win-arm64; return ;; esac ;;
    *) die "no RID for $(uname -s); see build/rids.txt" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) echo "$os-x64" ;;
    aarch64 | arm64) echo "$os-arm64" ;;
    *) die "no RID for $(uname -m); see build/rids.txt" ;;
  esac
}

# sha256 of standard input.
if have sha256sum; then sha256_tool=sha256sum; else sha256_tool='shasum -a 256'; fi
sha256() { $sha256_tool | cut -c 1-64; }

# The files the native library is made of, relative to the root, in byte order: without what .gitignore leaves out, and the programs beside it.
sources_list() {
  (
    cd "$root"
    find native \( -type d -path 'native/*/target' ! -path 'native/*/src/*' -o -type d -path native/target \
      -o -type d -path native/preconf-bench -o -type d -path native/preconf-native/fuzz \) -prune -o -type f -print
    printf '%s\n' Cargo.toml Cargo.lock
  ) | LC_ALL=C sort
}

# One hash over a line "hash  path" of each: the same in every checkout, with or without git.
# shellcheck disable=SC2086 # the tool has an argument
sources_hash() {
  (cd "$root" && sources_list | tr '\n' '\0' | xargs -0 $sha256_tool) | sed 's/^\([0-9a-f]*\) [ *]/\1  /' | sha256
}

# manifest_value FILE KEY: a value of a manifest (flat JSON, a key a line).
manifest_value() { sed -n "s/^ *\"$2\": \"\{0,1\}\([^\",]*\).*/\1/p" "$1"; }

# rust_options TRIPLE: what makes a faster and a smaller library there. On x86-64, ed25519 with AVX-512 for processors that have it: the crate
# looks when it runs, but takes the code in only when told. Where the linker is lld: equal functions once.
rust_options() {
  case $1 in x86_64-*) echo '--cfg=curve25519_dalek_backend="avx512"' ;; esac
  case $1 in x86_64-unknown-linux-gnu) echo '-Clink-arg=-Wl,--icf=all' ;; esac
}

# cargo_ VERB ARGS...: cargo, with the crates of the local registry where one is named. No file of cargo's home is changed.
cargo_() {
  verb=$1
  shift
  if [ -n "${CARGO_LOCAL_REGISTRY:-}" ]; then
    set -- --offline --config "source.crates-io.replace-with='local'" \
      --config "source.local.local-registry='$(CDPATH='' cd -- "$CARGO_LOCAL_REGISTRY" && pwd)'" "$@"
  fi
  (cd "$root" && cargo "$verb" "$@")
}

# Can cargo get at the crates of Cargo.lock? Asks the network once and briefly, only when they are not on the disk.
crates_ready() {
  have cargo || return 1
  triple=$(rid_field "$(host_rid)" 2)
  cargo_ fetch --locked --offline --target "$triple" >/dev/null 2>&1 ||
    CARGO_NET_RETRY=0 CARGO_HTTP_TIMEOUT=15 cargo_ fetch --locked --target "$triple" >/dev/null 2>&1
}

# exclusive COMMAND...: one at a time in this checkout, where there is flock; a second build waits for the first instead of writing the same files.
exclusive() {
  mkdir -p "$root/target"
  if have flock; then
    (
      flock 9
      "$@" 9>&-
    ) 9>"$root/target/.build-lock"
  else
    "$@"
  fi
}

need_dotnet() { have dotnet || die "the .NET SDK is missing: install .NET 10 from https://dotnet.microsoft.com/download"; }

# What is linked into the library on any platform of the table: "name<TAB>version<TAB>licence" each, this workspace's crates left out.
linked_crates() {
  for linked_rid in $(rids); do
    cargo_ tree --locked -p "$crate" -e normal,no-proc-macro --target "$(rid_field "$linked_rid" 2)" --prefix none --format '{p}|{l}' || exit 1
  done | grep -v '(/' | sed 's/ (\*)$//; s/^\([^ ]*\) v\([^ |]*\)[^|]*|/\1\t\2\t/' | LC_ALL=C sort -u
}

# Where cargo has unpacked the crates of one Rust target.
registry_sources() {
  cargo_ metadata --locked --format-version 1 --filter-platform "$1" | tr ',' '\n' |
    sed -n 's/.*"manifest_path":"\(.*\)\/libp2p-[0-9][^/]*\/Cargo.toml".*/\1/p' | head -n 1 | grep . || die "cargo does not say where the crates are"
}

# has_sanitizer: is AddressSanitizer's runtime in this Rust toolchain? Says so where it is not.
has_sanitizer() {
  find "$(rustc --print sysroot)/lib/rustlib/$(rid_field "$(host_rid)" 2)/lib" -name 'librustc-*_rt.asan.*' | grep -q . && return
  echo 'note: not run: this Rust toolchain has no AddressSanitizer'
  return 1
}

# sanitized VERB ARGS...: cargo in target/sanitizers, all Rust code but the standard library under AddressSanitizer and with the counters that a
# fuzzer looks at: of the crates of others one build serves both.
# A stable toolchain takes the option when told so.
sanitized() {
  sanitized_verb=$1
  shift
  (
    unset CARGO_ENCODED_RUSTFLAGS
    coverage='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters'
    export RUSTC_BOOTSTRAP=1
    export RUSTFLAGS="--cfg preconf_fuzz -Zsanitizer=address $coverage -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
    cargo_ "$sanitized_verb" --locked --quiet --target "$(rid_field "$(host_rid)" 2)" --target-dir "$root/target/sanitizers" "$@"
  )
}
