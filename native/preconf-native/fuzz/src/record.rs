//! A node record of another node: whatever it says under its keys, the addresses read from it can be dialled and name its peer, and
//! only public ones are left where no others may be.

use arbitrary::{Arbitrary, Unstructured};
use libp2p::{Multiaddr, multiaddr::Protocol};
use preconf_p2p::fuzzing::{Read, read_record};

const KEYS: [&str; 10] = ["ip", "ip6", "tcp", "tcp6", "udp", "udp6", "quic", "quic6", "preconf", "eth2"];

#[derive(Arbitrary, Debug)]
struct Entry {
    key: u8,
    value: Value,
}

#[derive(Arbitrary, Debug)]
enum Value {
    V4([u8; 4]),
    V6([u8; 16]),
    Port(u16),
    Network(u64, u64),
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
            Self::Network(chain, version) => {
                let both = [number(*chain), number(*version)].concat();
                [vec![0xc0 + both.len() as u8], both].concat()
            }
            Self::Raw(raw) => raw.clone(),
        }
    }
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
    let pairs = entries.iter().map(|entry| (KEYS[usize::from(entry.key) % KEYS.len()], entry.value.encode()));
    // What is no record never gets so far.
    let Some(Read { peer, all, public, .. }) = read_record(pairs, 167_000) else { return };
    for address in &all {
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
        if let Some(Protocol::Ip4(ip)) = address.iter().next() {
            assert!(!ip.is_private() && !ip.is_loopback() && !ip.is_link_local(), "{address}");
        }
    }
}
