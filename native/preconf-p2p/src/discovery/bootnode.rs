//! Where a node begins to look for others: `enr:…`, `enode://…` or a multiaddr with `/p2p`.

use std::{fmt::Write, net::SocketAddr, str::FromStr};

use discv5::Enr;
use libp2p::{
    Multiaddr, PeerId,
    identity::{PublicKey, secp256k1},
    multiaddr::Protocol,
};

/// What a bootnode's text says.
#[derive(Clone, Debug)]
pub(super) enum Bootnode {
    /// Its record.
    Record(Box<Enr>),
    /// Where its discovery answers, `/ip4|ip6/…/udp/…/p2p/…`: it is asked for its record.
    Ask(Multiaddr),
    /// Where it is dialled: it has no discovery, or its port is not known.
    Dial(PeerId, Multiaddr),
}

impl Bootnode {
    /// # Errors
    /// What is wrong with `text`, without the text itself.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("enr:") {
            let enr = Enr::from_str(text).map_err(|error| format!("is no node record: {error}"))?;
            if enr.udp4_socket().is_none() && enr.udp6_socket().is_none() {
                return Err("is a record without an IP address and a UDP port".to_owned());
            }
            return Ok(Self::Record(Box::new(enr)));
        }
        match text.strip_prefix("enode://") {
            Some(rest) => enode(rest),
            None => multiaddr(text),
        }
    }
}

/// `public key@ip:port`, optionally with `?discport=port` where UDP's differs from TCP's.
fn enode(text: &str) -> Result<Bootnode, String> {
    let (key, place) = text.split_once('@').ok_or("has no @ between key and address")?;
    let (place, query) = place.split_once('?').map_or((place, None), |(place, query)| (place, Some(query)));
    let socket: SocketAddr =
        place.parse().map_err(|_| format!("has {place:?} where an IP address and a port belong"))?;
    let port = match query.map(|query| query.strip_prefix("discport=")) {
        None => socket.port(),
        Some(Some(port)) => port.parse().map_err(|_| format!("has {port:?} where UDP's port belongs"))?,
        Some(None) => return Err("knows no query but ?discport=".to_owned()),
    };
    if port == 0 {
        return Err("has UDP port 0: it runs no discovery".to_owned());
    }
    let peer = peer_of_key(key).ok_or("has a key that is not 128 hex digits of a secp256k1 public key")?;
    let address = Multiaddr::empty().with(socket.ip().into()).with(Protocol::Udp(port)).with(Protocol::P2p(peer));
    Ok(Bootnode::Ask(address))
}

fn peer_of_key(hex: &str) -> Option<PeerId> {
    if hex.len() != 128 || !hex.is_ascii() {
        return None;
    }
    let mut bytes = vec![4];
    for at in (0..128).step_by(2) {
        bytes.push(u8::from_str_radix(&hex[at..at + 2], 16).ok()?);
    }
    let point = enr::k256::ecdsa::VerifyingKey::from_sec1_bytes(&bytes).ok()?;
    let key = secp256k1::PublicKey::try_from_bytes(point.to_sec1_point(true).as_bytes()).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

fn multiaddr(text: &str) -> Result<Bootnode, String> {
    let address: Multiaddr =
        text.parse().map_err(|error| format!("is neither enr:, enode:// nor a multiaddr: {error}"))?;
    let parts: Vec<_> = address.iter().collect();
    match parts.as_slice() {
        [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Udp(0), ..] => Err("has UDP port 0".to_owned()),
        [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Udp(_), Protocol::P2p(peer)] => {
            if names_secp256k1(peer) {
                Ok(Bootnode::Ask(address))
            } else {
                Err("asks for a record of a peer whose key is not secp256k1".to_owned())
            }
        }
        [.., Protocol::P2p(peer)] if parts.len() > 1 => Ok(Bootnode::Dial(*peer, address.clone())),
        _ => Err("does not end in /p2p".to_owned()),
    }
}

/// Peer ids of short keys are the keys themselves.
fn names_secp256k1(peer: &PeerId) -> bool {
    let bytes = peer.to_bytes();
    bytes.len() > 2
        && bytes[0] == 0
        && PublicKey::try_decode_protobuf(&bytes[2..]).is_ok_and(|key| key.try_into_secp256k1().is_ok())
}

/// All of a list.
///
/// # Errors
/// A text that names the entry, by its place and itself, and says what is wrong.
pub(super) fn parse_all(texts: &[String]) -> Result<Vec<Bootnode>, String> {
    let named = |(at, text): (usize, &String)| {
        Bootnode::parse(text.trim()).map_err(|error| {
            let mut message = String::new();
            let shown: String = text.chars().take(200).collect();
            let _ = write!(message, "bootnode {} ({shown:?}) {error}", at + 1);
            message
        })
    };
    texts.iter().enumerate().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // EIP-778's example record and its key.
    const RECORD: &str = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8";
    const KEY: &str = "ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f";

    #[test]
    fn record_enode_and_multiaddr_of_one_node_name_the_same_key() {
        let Ok(Bootnode::Record(record)) = Bootnode::parse(RECORD) else { panic!("a record") };
        let peer = super::super::record::peer_of_record(&record).unwrap();
        for text in [format!("enode://{KEY}@127.0.0.1:30303"), format!("enode://{KEY}@127.0.0.1:1?discport=30303")] {
            let Ok(Bootnode::Ask(address)) = Bootnode::parse(&text) else { panic!("{text}") };
            assert_eq!(address.to_string(), format!("/ip4/127.0.0.1/udp/30303/p2p/{peer}"));
            assert!(matches!(Bootnode::parse(&address.to_string()), Ok(Bootnode::Ask(again)) if again == address));
        }
        for text in ["/ip4/1.2.3.4/tcp/9000", "/ip6/::1/udp/9000/quic-v1", "/dns4/a.b/tcp/1"] {
            let text = format!("{text}/p2p/{peer}");
            assert!(matches!(Bootnode::parse(&text), Ok(Bootnode::Dial(named, _)) if named == peer), "{text}");
        }
    }

    #[test]
    fn a_bad_entry_is_named() {
        let ed25519 = libp2p::identity::Keypair::generate_ed25519().public().to_peer_id();
        for bad in [
            String::new(),
            "nonsense".to_owned(),
            "enr:AAAA".to_owned(),
            RECORD.replace("cy5wB", "cy5wC"),
            "enode://00@1.2.3.4:5".to_owned(),
            format!("enode://{KEY}@host:5"),
            format!("enode://{KEY}@1.2.3.4"),
            format!("enode://{KEY}@1.2.3.4:5?discport=0"),
            format!("enode://{KEY}@1.2.3.4:5?x=1"),
            format!("enode://{}@1.2.3.4:5", "f".repeat(128)),
            format!("enode://{}@1.2.3.4:5", "é".repeat(64)),
            "/ip4/1.2.3.4/tcp/9000".to_owned(),
            format!("/p2p/{ed25519}"),
            format!("/ip4/1.2.3.4/udp/9001/p2p/{ed25519}"),
            format!("/ip4/1.2.3.4/udp/0/p2p/{ed25519}"),
        ] {
            let error = parse_all(&[RECORD.to_owned(), bad.clone()]).unwrap_err();
            assert!(error.starts_with("bootnode 2 ("), "{bad}: {error}");
        }
    }
}
