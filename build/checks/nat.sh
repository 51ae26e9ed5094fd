#!/bin/sh
# Two nodes behind two routers, in network namespaces of their own: each learns that nobody can dial it, gets itself a relay, and reaches the other
# through that relay, then directly; the direct connection outlives the relay. Needs ./build.sh build.
. "$(dirname -- "$0")/../lib.sh"

program=$root/src/Preconf.Node/bin/Release/net10.0/preconf-node.dll
[ -f "$program" ] || die "run ./build.sh build first: $program is missing"
name=pcn$$
work=$(mktemp -d)
pids=

skip() { echo "note: not run: $*"; exit 0; }

# shellcheck disable=SC2317,SC2086 # called by the trap; pids are words
clean() {
  for pid in $pids; do kill "$pid" 2>/dev/null || true; done
  for pid in $pids; do wait "$pid" 2>/dev/null || true; done
  for space in net ra rb a b; do ip netns del "$name-$space" 2>/dev/null || true; done
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

have ip || skip "ip is not installed (iproute2)"
if have nft; then firewall=nft; elif have iptables; then firewall=iptables; else skip "neither nft nor iptables is installed"; fi
ip netns add "$name-net" 2>/dev/null || skip "network namespaces can't be made here"

inside() { space=$1; shift; ip netns exec "$name-$space" "$@"; }

# masquerade SPACE DEVICE: what leaves by the device has its address; what comes by it uninvited is dropped.
masquerade() {
  if [ $firewall = nft ]; then
    printf '%s\n' "table ip nat { chain out { type nat hook postrouting priority 100; oifname \"$2\" masquerade; }; }" \
      "table ip door { chain in { type filter hook input priority 0; iifname \"$2\" ct state new drop; }; }" \
      "table ip way { chain through { type filter hook forward priority 0; iifname \"$2\" ct state new drop; }; }" | inside "$1" nft -f -
  else
    inside "$1" iptables -t nat -A POSTROUTING -o "$2" -j MASQUERADE
    inside "$1" iptables -A INPUT -i "$2" -m conntrack --ctstate NEW -j DROP
    inside "$1" iptables -A FORWARD -i "$2" -m conntrack --ctstate NEW -j DROP
  fi
}

# home SIDE N: a router at 10.77.0.N on the common net, and a node at 192.168.N.2 behind it.
home() {
  ip netns add "$name-r$1"
  ip netns add "$name-$1"
  ip link add wan netns "$name-r$1" type veth peer name "port$1" netns "$name-net"
  ip link add lan netns "$name-r$1" type veth peer name eth netns "$name-$1"
  inside net ip link set "port$1" master hub up
  inside "r$1" ip address add "10.77.0.$2/24" dev wan
  inside "r$1" ip address add "192.168.$2.1/24" dev lan
  inside "$1" ip address add "192.168.$2.2/24" dev eth
  for device in wan lan lo; do inside "r$1" ip link set $device up; done
  for device in eth lo; do inside "$1" ip link set $device up; done
  inside "$1" ip route add default via "192.168.$2.1"
  inside "r$1" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
  masquerade "r$1" wan || skip "addresses can't be translated here ($firewall)"
}

# start NAME SPACE FLAGS...: a node; its events go to NAME.json.
start() {
  node=$1 space=$2
  shift 2
  ip netns exec "$name-$space" dotnet "$program" run --data-dir "$work/$node" --chain-id 77 --any-signer --local-network --no-discovery --json --log-level warning \
    "$@" >"$work/$node.json" 2>"$work/$node.log" &
  eval "pid_$node=$!"
  pids="$pids $!"
}

# await NAME SECONDS PATTERN...: a line of its events that has all patterns.
await() {
  node=$1 left=$(($2 * 5))
  shift 2
  while :; do
    lines=$(cat "$work/$node.json")
    for pattern in "$@"; do lines=$(printf '%s\n' "$lines" | grep -e "$pattern" || true); done
    [ -z "$lines" ] || break
    left=$((left - 1))
    if [ $left -le 0 ]; then
      say "$node never said: $*"
      for one in "$work"/*.json "$work"/*.log; do say "== $one"; tail -n 40 "$one" >&2; done
      exit 1
    fi
    sleep 0.2
  done
}

value() { sed -n "s/.*\"event\":\"listening\".*\"$2\":\"\([^\"]*\)\".*/\1/p" "$work/$1.json" | head -n 1; }

inside net ip link add hub type bridge || skip "no bridge can be made here"
inside net ip address add 10.77.0.100/24 dev hub
for device in hub lo; do inside net ip link set $device up; done
home a 1
home b 2

start relay net --listen /ip4/10.77.0.100/tcp/9000 --relay-server
await relay 20 '"event":"listening"'
relay=/ip4/10.77.0.100/tcp/9000/p2p/$(value relay peerId)
start a a --listen /ip4/0.0.0.0/tcp/9000 --static-peer "$relay"
await a 20 '"event":"listening"'
await a 60 '"event":"reachabilityChanged"' '"reachability":"private"' '"evidence":"autoNat"'
await a 60 '"event":"reachabilityChanged"' '"reachability":"relayed"' p2p-circuit
circuit=$relay/p2p-circuit/p2p/$(value a peerId)

start b b --listen /ip4/0.0.0.0/tcp/9000 --static-peer "$relay" --static-peer "$circuit"
await b 20 '"event":"listening"'
await b 40 '"event":"peerConnected"' "$(value a peerId)" p2p-circuit
await b 40 '"event":"peerMoved"' "$(value a peerId)" '"address":"/ip4/10.77.0.1/tcp/'
await a 40 '"event":"peerMoved"' "$(value b peerId)" '"address":"/ip4/10.77.0.2/tcp/'

# shellcheck disable=SC2154 # set by start
kill "$pid_relay"
await b 40 '"event":"peerDisconnected"' "$(value relay peerId)"
sleep 3
inside b dotnet "$program" peers --data-dir "$work/b" --json | grep -q "$(value a peerId)" || die "the direct connection went with the relay"
echo "note: through the relay, then directly, then without the relay"
