//! A node record of another node: whatever it says under its keys, the addresses read from it can be dialled and name its peer, only
//! public ones are left where no others may be, and it is of this network only when it says so.

use std::net::IpAddr;

use arbitrary::{Arbitrary, Unstructured};
use libp2p::{Multiaddr, multiaddr::Protocol};
use preconf_p2p::fuzzing::{Read, read_record};

use crate::reached;

/// What its inputs come to.
pub(crate) const ENDS: &[&str] = &["no network", "same network", "another network", "address", "public address"];

const CHAIN: u64 = 167_000;
const KEYS: [&str; 10] = ["ip", "ip6", "tcp", "tcp6", "udp", "udp6", "quic", "quic6", "preconf", "eth2"];

#[derive(Arbitrary, Debug)]
struct Entry {
    key: u8,
    value: Value,
}

impl Entry {
    fn key(&self) -> &'static str {
        KEYS[usize::from(self.key) % KEYS.len()]
    }
}

#[derive(Arbitrary, Debug)]
enum Value {
    V4([u8; 4]),
    V6([u8; 16]),
    Port(u16),
    Network(u64, u64),
    SameNetwork,
    /// Not even RLP, mostly.
    Raw(Vec<u8>),
}

impl Value {
    /// As RLP: short strings and lists alone.
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::V4(ip) => string(ip),
            Self::V6(ip) => string(ip),
            Self::Port(port) => number((*port).into()),
            Self::Network(chain, version) => pair(*chain, *version),
            Self::SameNetwork => pair(CHAIN, 1),
            Self::Raw(raw) => raw.clone(),
        }
    }
}

fn pair(one: u64, other: u64) -> Vec<u8> {
    let both = [number(one), number(other)].concat();
    [vec![0xc0 + both.len() as u8], both].concat()
}

fn number(value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    string(&bytes[value.leading_zeros() as usize / 8..])
}

fn string(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [one @ 0..=0x7f] => vec![*one],
        _ => [&[0x80 + bytes.len() as u8][..], bytes].concat(),
    }
}

pub(crate) fn run(data: &[u8]) {
    let Ok(entries) = Vec::<Entry>::arbitrary(&mut Unstructured::new(data)) else { return };
    let pairs = entries.iter().map(|entry| (entry.key(), entry.value.encode()));
    // What is no record never gets so far.
    let Some(Read { peer, all, public, same }) = read_record(pairs, CHAIN) else { return };
    let said = entries.iter().rev().find(|entry| entry.key() == "preconf");
    match said.map(|entry| &entry.value) {
        None => assert_eq!(same, None),
        // It may be written in other ways.
        Some(Value::Raw(_)) => assert!(same.is_some()),
        Some(Value::SameNetwork) => assert_eq!(same, Some(true)),
        Some(Value::Network(chain, version)) => assert_eq!(same, Some((*chain, *version) == (CHAIN, 1))),
        Some(_) => assert_eq!(same, Some(false)),
    }
    reached(match same {
        None => "no network",
        Some(true) => "same network",
        Some(false) => "another network",
    });
    for address in &all {
        reached("address");
        assert_eq!(address.to_string().parse::<Multiaddr>().as_ref().ok(), Some(address));
        let parts: Vec<_> = address.iter().collect();
        let [ip, Protocol::Tcp(port) | Protocol::Udp(port), .., Protocol::P2p(named)] = parts.as_slice() else {
            panic!("{address} is not dialled")
        };
        assert!(*port != 0 && *named == peer, "{address}");
        let unspecified = match ip {
            Protocol::Ip4(ip) => ip.is_unspecified() || ip.is_multicast(),
            Protocol::Ip6(ip) => ip.is_unspecified() || ip.is_multicast(),
            _ => panic!("{address} has no IP address"),
        };
        assert!(!unspecified, "{address}");
    }
    assert!(all.len() <= 4 && public.iter().all(|address| all.contains(address)));
    for address in &public {
        let ip = match address.iter().next() {
            Some(Protocol::Ip4(ip)) => IpAddr::from(ip),
            Some(Protocol::Ip6(ip)) => IpAddr::from(ip).to_canonical(),
            _ => panic!("{address} has no IP address"),
        };
        let private = match ip {
            IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
        };
        assert!(!private, "{address}");
        reached("public address");
    }
}
