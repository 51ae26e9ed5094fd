//! This node's record, and what is read from others'.

use std::{
    fmt, fs,
    io::{self, Write},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use discv5::Enr;
use enr::{CombinedKey, EnrKey, EnrPublicKey};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use parking_lot::RwLock;

use super::scope::is_global;
use crate::{StartError, identity::peer_id_of};

/// The record's key that names the network: RLP of [chain id, protocol version].
pub(super) const NETWORK_KEY: &str = "preconf";
/// The version of the wire that this node speaks (design/protocol.md).
pub(super) const WIRE_VERSION: u64 = 1;
/// A record has at most 300 bytes (EIP-778): 400 base64url digits and `enr:`.
const MAX_TEXT: u64 = 512;

/// The peer id of a record's key; `None` when it is not secp256k1.
pub(super) fn peer_of_record(enr: &Enr) -> Option<PeerId> {
    let key: [u8; 33] = enr.public_key().encode().try_into().ok()?;
    peer_id_of(&key).ok()
}

/// What a record says of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Network {
    /// This chain and wire.
    Same,
    /// Another chain or wire, or a network key that can't be read.
    Other,
    /// Nothing, as the reference's.
    Unsaid,
}

pub(super) fn network_of(enr: &Enr, chain_id: u64) -> Network {
    match enr.get_decodable::<Vec<u64>>(NETWORK_KEY) {
        None => Network::Unsaid,
        Some(Ok(value)) if value == [chain_id, WIRE_VERSION] => Network::Same,
        Some(_) => Network::Other,
    }
}

/// Where a record says its node is dialled, with `/p2p`. With `public_only` special-purpose addresses are left out.
pub(super) fn addresses_of(enr: &Enr, peer: PeerId, public_only: bool) -> Vec<Multiaddr> {
    // EIP-778: without tcp6, tcp is for both. A node of this network says each port that it has.
    let shared = enr.get_raw_rlp(NETWORK_KEY).is_none();
    let port = |key: &str| enr.get_decodable::<u16>(key).and_then(Result::ok).filter(|port| *port != 0);
    let mut addresses = Vec::new();
    let places = [
        (enr.ip4().map(IpAddr::from), port("tcp"), port("quic")),
        (enr.ip6().map(IpAddr::from), port("tcp6").or_else(|| port("tcp").filter(|_| shared)), port("quic6")),
    ];
    for (ip, tcp, quic) in places {
        let Some(ip) = ip.filter(|ip| !ip.is_unspecified() && !ip.is_multicast()) else { continue };
        if public_only && !is_global(ip) {
            continue;
        }
        let at = Multiaddr::empty().with(ip.into());
        if let Some(port) = quic {
            addresses.push(at.clone().with(Protocol::Udp(port)).with(Protocol::QuicV1).with(Protocol::P2p(peer)));
        }
        if let Some(port) = tcp {
            addresses.push(at.with(Protocol::Tcp(port)).with(Protocol::P2p(peer)));
        }
    }
    addresses
}

/// An IP address and what is reached there, from `/ip4|ip6/…`, optionally with `/tcp/…`, `/udp/…` or `/udp/…/quic-v1`.
fn place_of(address: &Multiaddr) -> Option<(IpAddr, Option<(&'static str, u16)>)> {
    let mut parts = address.iter().filter(|part| !matches!(part, Protocol::P2p(_)));
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::from(ip),
        Protocol::Ip6(ip) => IpAddr::from(ip),
        _ => return None,
    };
    let of_family = |v4, v6| if ip.is_ipv4() { v4 } else { v6 };
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => Some((ip, None)),
        (Some(Protocol::Tcp(port)), None, _) => Some((ip, Some((of_family("tcp", "tcp6"), port)))),
        (Some(Protocol::Udp(port)), None, _) => Some((ip, Some((of_family("udp", "udp6"), port)))),
        (Some(Protocol::Udp(port)), Some(Protocol::QuicV1), None) => {
            Some((ip, Some((of_family("quic", "quic6"), port))))
        }
        _ => None,
    }
}

/// How good an address is to be told to others: public, of a local network, of this machine, none.
fn worth(ip: IpAddr, local_network: bool) -> u8 {
    match ip {
        ip if ip.is_unspecified() || ip.is_multicast() => 0,
        ip if is_global(ip) => 3,
        _ if !local_network => 0,
        ip if ip.is_loopback() => 1,
        IpAddr::V6(ip) if ip.is_unicast_link_local() => 0,
        _ => 2,
    }
}

/// This node's record: signed anew with a higher sequence at each change, and kept in a file.
pub(crate) struct LocalRecord {
    enr: Arc<RwLock<Enr>>,
    key: CombinedKey,
    file: Option<PathBuf>,
    local_network: bool,
    /// Keys that are configured, not found.
    fixed: Vec<&'static str>,
}

/// What a record begins with.
pub(super) struct Beginning<'a> {
    pub(super) chain_id: u64,
    pub(super) sockets: &'a [SocketAddr],
    pub(super) external: &'a [Multiaddr],
    pub(super) local_network: bool,
    pub(super) file: Option<&'a Path>,
}

impl Beginning<'_> {
    /// The record as far as it is known before anything listens. Its sequence is above that of the one in the file; without a
    /// file it is the time in seconds, which grows too.
    pub(super) fn record(&self, key: &CombinedKey) -> Result<(Enr, Vec<&'static str>), StartError> {
        let sequence = match self.file {
            Some(path) => read(path, key)?.map_or(1, |enr| enr.seq().saturating_add(1)),
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs().max(1)),
        };
        let mut builder = Enr::builder();
        builder.seq(sequence).add_value(NETWORK_KEY, &vec![self.chain_id, WIRE_VERSION]);
        for socket in self.sockets {
            builder.add_value(if socket.is_ipv4() { "udp" } else { "udp6" }, &socket.port());
            if worth(socket.ip(), self.local_network) > 0 {
                builder.ip(socket.ip());
            }
        }
        let mut fixed = Vec::new();
        for address in self.external {
            let malformed = || {
                StartError::Config(format!(
                    "external address {address} is not /ip4|ip6/…, optionally with /tcp/…, /udp/… or /udp/…/quic-v1"
                ))
            };
            let (ip, port) = place_of(address).ok_or_else(malformed)?;
            builder.ip(ip);
            fixed.push(if ip.is_ipv4() { "ip" } else { "ip6" });
            if let Some((name, port)) = port {
                builder.add_value(name, &port);
                fixed.push(name);
            }
        }
        let enr = builder.build(key).map_err(|error| StartError::Discovery(format!("node record: {error}")))?;
        Ok((enr, fixed))
    }
}

impl fmt::Debug for LocalRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalRecord").field(&self.text()).finish()
    }
}

impl LocalRecord {
    pub(super) fn new(
        enr: Arc<RwLock<Enr>>,
        key: CombinedKey,
        begun: &Beginning<'_>,
        fixed: Vec<&'static str>,
    ) -> Result<Self, StartError> {
        let file = begun.file.map(Path::to_owned);
        let record = Self { enr, key, file, local_network: begun.local_network, fixed };
        record.save().map_err(|(path, error)| StartError::Discovery(format!("{}: {error}", path.display())))?;
        Ok(record)
    }

    pub(crate) fn text(&self) -> String {
        self.enr.read().to_base64()
    }

    pub(super) fn sequence(&self) -> u64 {
        self.enr.read().seq()
    }

    /// A listener is bound: its port is told, and its address when others can use it.
    pub(super) fn listening(&self, address: &Multiaddr) {
        let Some((ip, Some((name, port)))) = place_of(address).filter(|(_, at)| at.is_some_and(|at| at.0 != "udp"))
        else {
            return;
        };
        let ip_name = if ip.is_ipv4() { "ip" } else { "ip6" };
        let mut enr = self.enr.write();
        let known = if ip.is_ipv4() { enr.ip4().map(IpAddr::from) } else { enr.ip6().map(IpAddr::from) };
        let better = worth(ip, self.local_network) > known.map_or(0, |known| worth(known, self.local_network));
        if better && !self.fixed.contains(&ip_name) {
            let _ = enr.set_ip(ip, &self.key);
        }
        if !self.fixed.contains(&name) && enr.get_raw_rlp(name).is_none() {
            let _ = enr.insert(name, &port, &self.key);
        }
    }

    /// Others reach this node at an address, `/ip4|ip6/…`, optionally with `/tcp/…` or `/udp/…/quic-v1`: that is better than
    /// anything guessed. Returns whether the record has changed.
    pub(super) fn reached_at(&self, address: &Multiaddr) -> bool {
        let Some((ip, port)) = place_of(address).filter(|(ip, _)| worth(*ip, self.local_network) > 0) else {
            return false;
        };
        let mut enr = self.enr.write();
        let before = enr.seq();
        let (ip_name, known) = match ip {
            IpAddr::V4(_) => ("ip", enr.ip4().map(IpAddr::from)),
            IpAddr::V6(_) => ("ip6", enr.ip6().map(IpAddr::from)),
        };
        if known != Some(ip) && !self.fixed.contains(&ip_name) {
            let _ = enr.set_ip(ip, &self.key);
        }
        if let Some((name, port)) = port.filter(|(name, _)| !name.starts_with("udp") && !self.fixed.contains(name))
            && enr.get_decodable::<u16>(name) != Some(Ok(port))
        {
            let _ = enr.insert(name, &port, &self.key);
        }
        enr.seq() != before
    }

    /// Keeps the record; a failure is said, and what is lost then is the sequence of the last change.
    pub(super) fn keep(&self) {
        if let Err((path, error)) = self.save() {
            tracing::warn!(path = %path.display(), %error, "the node record was not kept");
        }
    }

    fn save(&self) -> Result<(), (PathBuf, io::Error)> {
        let Some(path) = &self.file else { return Ok(()) };
        write(path, &format!("{}\n", self.text())).map_err(|error| (path.clone(), error))
    }
}

/// The record that was kept; `None` when there is none. Another key's is no error: its sequence says nothing.
fn read(path: &Path, key: &CombinedKey) -> Result<Option<Enr>, StartError> {
    let failed = |what: String| StartError::Discovery(format!("{}: {what}", path.display()));
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error.to_string())),
        Ok(meta) if !meta.is_file() => return Err(failed("is no file".to_owned())),
        Ok(meta) if meta.len() > MAX_TEXT => return Err(failed("is no node record: it is too long".to_owned())),
        Ok(_) => {}
    }
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let enr = Enr::from_str(text.trim()).map_err(|error| {
        failed(format!("is no node record ({error}); delete it when no node of this key ran lately"))
    })?;
    Ok((enr.public_key() == key.public()).then_some(enr))
}

/// Writes beside, flushes, then renames: the file is the old one or the new one, whole.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.to_owned().into_os_string();
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    let mut file = fs::File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&beside, path)?;
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin<'a>(sockets: &'a [SocketAddr], external: &'a [Multiaddr], file: Option<&'a Path>) -> Beginning<'a> {
        Beginning { chain_id: 7, sockets, external, local_network: true, file }
    }

    fn local(begun: &Beginning<'_>, secret: [u8; 32]) -> LocalRecord {
        let key = || CombinedKey::secp256k1_from_bytes(&mut secret.clone()).unwrap();
        let (enr, fixed) = begun.record(&key()).unwrap();
        LocalRecord::new(Arc::new(RwLock::new(enr)), key(), begun, fixed).unwrap()
    }

    #[test]
    fn a_record_tells_what_is_bound_and_names_its_network() {
        let sockets = ["127.0.0.1:9001".parse().unwrap(), "[::1]:9002".parse().unwrap()];
        let record = local(&begin(&sockets, &[], None), [5; 32]);
        for bound in ["/ip4/127.0.0.1/tcp/9000", "/ip6/::1/tcp/9003", "/ip4/127.0.0.1/udp/9004/quic-v1", "/memory/1"] {
            record.listening(&bound.parse().unwrap());
        }
        let enr = Enr::from_str(&record.text()).unwrap();
        assert_eq!(network_of(&enr, 7), Network::Same);
        assert_eq!(network_of(&enr, 8), Network::Other);
        let peer = peer_of_record(&enr).unwrap();
        let texts: Vec<_> = addresses_of(&enr, peer, false).iter().map(ToString::to_string).collect();
        let named = |text: &str| format!("{text}/p2p/{peer}");
        assert_eq!(
            texts,
            [named("/ip4/127.0.0.1/udp/9004/quic-v1"), named("/ip4/127.0.0.1/tcp/9000"), named("/ip6/::1/tcp/9003")]
        );
        assert_eq!(addresses_of(&enr, peer, true), []);
        assert_eq!((enr.udp4(), enr.udp6()), (Some(9001), Some(9002)));
        assert!(enr.size() <= 300);
    }

    #[test]
    fn what_is_configured_is_not_overwritten() {
        let sockets = ["0.0.0.0:9001".parse().unwrap()];
        let external = ["/ip4/8.8.8.8/tcp/30000".parse().unwrap(), "/ip4/8.8.8.8/udp/30001".parse().unwrap()];
        let record = local(&begin(&sockets, &external, None), [5; 32]);
        record.listening(&"/ip4/127.0.0.1/tcp/9000".parse().unwrap());
        record.listening(&"/ip4/9.9.9.9/udp/9000/quic-v1".parse().unwrap());
        let enr = Enr::from_str(&record.text()).unwrap();
        assert_eq!(enr.ip4(), Some("8.8.8.8".parse().unwrap()));
        assert_eq!((enr.tcp4(), enr.udp4()), (Some(30000), Some(30001)));
        assert_eq!(enr.get_decodable::<u16>("quic"), Some(Ok(9000)));
    }

    #[test]
    fn where_others_reach_this_node_is_told_unless_it_is_configured() {
        let sockets = ["0.0.0.0:9001".parse().unwrap()];
        let record = local(&begin(&sockets, &[], None), [5; 32]);
        record.listening(&"/ip4/10.0.0.1/tcp/9000".parse().unwrap());
        let read = |record: &LocalRecord| {
            let enr = Enr::from_str(&record.text()).unwrap();
            (enr.ip4().map(|ip| ip.to_string()), enr.tcp4(), enr.get_decodable::<u16>("quic").and_then(Result::ok))
        };
        assert!(record.reached_at(&"/ip4/8.8.8.8/tcp/30000".parse().unwrap()));
        assert!(!record.reached_at(&"/ip4/8.8.8.8/tcp/30000".parse().unwrap()), "nothing is new");
        assert!(record.reached_at(&"/ip4/8.8.8.8/udp/30001/quic-v1".parse().unwrap()));
        assert!(!record.reached_at(&"/ip4/0.0.0.0/tcp/1".parse().unwrap()));
        assert_eq!(read(&record), (Some("8.8.8.8".to_owned()), Some(30000), Some(30001)));
        assert!(record.reached_at(&"/ip4/9.9.9.9".parse().unwrap()), "an address alone");
        assert_eq!(read(&record).0, Some("9.9.9.9".to_owned()));
        let external = ["/ip4/8.8.4.4/tcp/30000".parse().unwrap()];
        let record = local(&begin(&sockets, &external, None), [5; 32]);
        assert!(!record.reached_at(&"/ip4/9.9.9.9/tcp/1".parse().unwrap()));
        assert_eq!(read(&record), (Some("8.8.4.4".to_owned()), Some(30000), None));
    }

    #[test]
    fn the_sequence_goes_on_in_the_file() {
        let folder = std::env::temp_dir().join(format!("preconf-record-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("enr");
        let sockets = ["127.0.0.1:9001".parse().unwrap()];
        let begun = begin(&sockets, &[], Some(&file));
        let first = local(&begun, [5; 32]);
        assert_eq!(first.sequence(), 1);
        first.listening(&"/ip4/127.0.0.1/tcp/9000".parse().unwrap());
        first.keep();
        assert_eq!(first.sequence(), 2);
        assert_eq!(fs::read_to_string(&file).unwrap().trim(), first.text());
        assert_eq!(local(&begun, [5; 32]).sequence(), 3);
        assert_eq!(local(&begun, [5; 32]).sequence(), 4);
        // Another key begins anew.
        assert_eq!(local(&begun, [6; 32]).sequence(), 1);
        fs::write(&file, "enr:nonsense").unwrap();
        let key = CombinedKey::secp256k1_from_bytes(&mut [5; 32]).unwrap();
        assert!(matches!(begun.record(&key), Err(StartError::Discovery(text)) if text.contains("is no node record")));
        fs::remove_dir_all(&folder).unwrap();
    }
}
