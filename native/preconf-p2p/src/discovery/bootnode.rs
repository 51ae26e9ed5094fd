//! Where a node begins to look for others: `enr:…`, `enode://…` or a multiaddr with `/p2p`.

use std::{
    fmt::{self, Write},
    net::SocketAddr,
    str::FromStr,
};

use discv5::Enr;
use libp2p::{
    Multiaddr, PeerId,
    identity::{PublicKey, secp256k1},
    multiaddr::Protocol,
};

use super::{is_global, public_sockets, record::peer_of_record};

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

/// Which families of addresses discovery has a socket of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Families {
    pub(super) v4: bool,
    pub(super) v6: bool,
}

impl Bootnode {
    /// Whether discovery can ever send to it: it has an address of one of these families, or is only dialled.
    fn can_be_asked(&self, families: Families) -> bool {
        match self {
            // Mapped addresses are left aside, as the library does.
            Self::Record(enr) => {
                let v6 = enr.udp6_socket().filter(|socket| socket.ip().to_ipv4_mapped().is_none());
                (families.v4 && enr.udp4_socket().is_some()) || (families.v6 && v6.is_some())
            }
            Self::Ask(address) => match address.iter().next() {
                Some(Protocol::Ip4(_)) => families.v4,
                _ => families.v6,
            },
            Self::Dial(..) => true,
        }
    }

    fn peer(&self) -> Option<PeerId> {
        match self {
            Self::Record(enr) => peer_of_record(enr),
            Self::Ask(address) => crate::driver::peer_of(address),
            Self::Dial(peer, _) => Some(*peer),
        }
    }

    /// Whether discovery meets it at public addresses only.
    pub(super) fn is_public(&self) -> bool {
        match self {
            Self::Record(enr) => public_sockets(enr),
            Self::Ask(address) => match address.iter().next() {
                Some(Protocol::Ip4(ip)) => is_global(ip.into()),
                Some(Protocol::Ip6(ip)) => is_global(ip.into()),
                _ => true,
            },
            Self::Dial(..) => true,
        }
    }
}

impl fmt::Display for Bootnode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(enr) => {
                let socket = enr.udp4_socket().map(SocketAddr::from).or(enr.udp6_socket().map(SocketAddr::from));
                match (socket, peer_of_record(enr)) {
                    (Some(socket), Some(peer)) => write!(f, "{peer} at {socket}"),
                    _ => write!(f, "{}", enr.node_id()),
                }
            }
            Self::Ask(address) | Self::Dial(_, address) => address.fmt(f),
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

/// All of a list but this node itself, of which it is said that it is passed over: one list may serve all bootnodes.
///
/// # Errors
/// A text that names the entry, by its place and itself, and says what is wrong: it can't be read, or can never be
/// reached from sockets of these families.
pub(super) fn parse_all(texts: &[String], families: Families, own: PeerId) -> Result<Vec<Bootnode>, String> {
    let mut bootnodes = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let parsed = Bootnode::parse(text.trim()).and_then(|node| {
            let unreachable = || "has no address of a family that discovery listens on".to_owned();
            node.can_be_asked(families).then_some(node).ok_or_else(unreachable)
        });
        match parsed {
            Ok(node) if node.peer() == Some(own) => {
                tracing::info!(bootnode = at + 1, "a bootnode is this node itself, and passed over");
            }
            Ok(node) => bootnodes.push(node),
            Err(error) => {
                let mut message = String::new();
                let shown: String = text.chars().take(200).collect();
                let _ = write!(message, "bootnode {} ({shown:?}) {error}", at + 1);
                return Err(message);
            }
        }
    }
    Ok(bootnodes)
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

    const BOTH: Families = Families { v4: true, v6: true };

    fn forms_of(ip: &str) -> (Vec<String>, PeerId) {
        let key = enr::CombinedKey::secp256k1_from_bytes(&mut [7; 32]).unwrap();
        let enr = Enr::builder().ip(ip.parse().unwrap()).udp4(9001).udp6(9001).build(&key).unwrap();
        let peer = peer_of_record(&enr).unwrap();
        let (family, host) = if ip.contains(':') { ("ip6", format!("[{ip}]")) } else { ("ip4", ip.to_owned()) };
        let Ok(Bootnode::Record(sample)) = Bootnode::parse(RECORD) else { panic!("a record") };
        let forms =
            vec![enr.to_base64(), format!("/{family}/{ip}/udp/9001/p2p/{peer}"), format!("enode://{KEY}@{host}:9001")];
        assert_ne!(peer_of_record(&sample), Some(peer));
        (forms, peer)
    }

    #[test]
    fn one_of_a_family_without_a_socket_can_never_work() {
        for (ip, v4) in [("1.2.3.4", true), ("2606:4700::1", false)] {
            for form in forms_of(ip).0 {
                let with = |families| parse_all(std::slice::from_ref(&form), families, PeerId::random());
                let error = with(Families { v4: !v4, v6: v4 }).unwrap_err();
                assert!(error.starts_with("bootnode 1 (") && error.contains("family"), "{error}");
                assert_eq!(with(Families { v4, v6: !v4 }).unwrap().len(), 1);
                assert_eq!(with(BOTH).unwrap().len(), 1);
            }
        }
    }

    #[test]
    fn this_node_itself_is_passed_over() {
        let (forms, own) = forms_of("1.2.3.4");
        let dialled = format!("/ip4/1.2.3.4/tcp/9000/p2p/{own}");
        let all = [forms[0].clone(), forms[1].clone(), dialled, forms[2].clone()];
        let left = parse_all(&all, BOTH, own).unwrap();
        assert!(matches!(left.as_slice(), [Bootnode::Ask(_)]), "{left:?}");
    }

    #[test]
    fn private_addresses_are_told_in_every_form() {
        for (ip, public) in [("10.0.0.1", false), ("fd00::1", false), ("8.8.8.8", true), ("2606:4700::1", true)] {
            for form in forms_of(ip).0 {
                assert_eq!(Bootnode::parse(&form).unwrap().is_public(), public, "{form}");
            }
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
            let error = parse_all(&[RECORD.to_owned(), bad.clone()], BOTH, PeerId::random()).unwrap_err();
            assert!(error.starts_with("bootnode 2 ("), "{bad}: {error}");
        }
    }
}
