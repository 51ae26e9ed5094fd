//! The file of peers known to be good: where a node starts after a restart, without a bootnode.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use tokio::time::Instant;

use crate::{
    driver::peer_of,
    gater::{Subnet, owned_subnet},
};

/// Peers kept; the file stays below [`MAX_FILE`].
pub(crate) const MAX_KNOWN: usize = 64;
/// Bytes of the file that are read.
const MAX_FILE: u64 = 64 << 10;
/// Longer addresses are not kept.
const MAX_ADDRESS: usize = 512;

/// Of one public IPv4 /24 or IPv6 /56 so many are kept, lest one owner of addresses have them all.
const OF_SUBNET: usize = 2;
/// When all places are taken, the newest gives way to another no more often than this: a burst flushes nobody else.
const REPLACE_EVERY: Duration = Duration::from_secs(600);
/// With fewer known peers than this, any good one is kept until proven ones take its place: a small network is to be found
/// again after a restart at any time. It flushes nobody.
const SPARE: usize = 8;
/// One that could not be reached so often in a row is dropped.
const DEAD: u32 = 10;

/// Addresses of good peers, those that are kept longest first: a line each, a multiaddr that ends in `/p2p`.
#[derive(Debug)]
pub(crate) struct KnownGood {
    path: PathBuf,
    entries: Vec<Entry>,
    replaced: Option<Instant>,
    changed: bool,
}

#[derive(Debug)]
struct Entry {
    peer: PeerId,
    address: Multiaddr,
    failures: u32,
    /// This node has not reached it there, or has not known it for long.
    spare: bool,
}

impl Entry {
    fn of(address: Multiaddr) -> Option<Self> {
        Some(Self { peer: peer_of(&address)?, address, failures: 0, spare: false })
    }
}

impl KnownGood {
    /// Reads the file. A missing one is empty; lines that are no addresses of peers are left out.
    pub(crate) fn load(path: PathBuf) -> io::Result<Self> {
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(file) => {
                file.take(MAX_FILE).read_to_end(&mut bytes)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let text = String::from_utf8_lossy(&bytes);
        let mut known = Self { path, entries: Vec::new(), replaced: None, changed: false };
        for entry in text.lines().filter_map(|line| line.trim().parse().ok()).filter_map(Entry::of) {
            let is_new = !known.entries.iter().any(|other| other.peer == entry.peer);
            if is_new && known.entries.len() < MAX_KNOWN && known.takes(&entry) {
                known.entries.push(entry);
            }
        }
        Ok(known)
    }

    /// Who is known, the one kept longest first.
    pub(crate) fn peers(&self) -> impl Iterator<Item = (PeerId, &Multiaddr)> {
        self.entries.iter().map(|entry| (entry.peer, &entry.address))
    }

    /// A peer is good. `proven`: this node itself dialled it at `address`, and it has been of use for a while. When all
    /// places are taken, the newest gives way to a proven one, and that seldom; one that is not proven is kept only while
    /// hardly any are known.
    pub(crate) fn note(&mut self, peer: PeerId, address: &Multiaddr, proven: bool, now: Instant) {
        let mut address = address.clone();
        if peer_of(&address).is_none() {
            address.push(Protocol::P2p(peer));
        }
        let entry = Entry { peer, address, failures: 0, spare: !proven };
        if entry.address.len() > MAX_ADDRESS || !self.takes(&entry) {
            return;
        }
        if let Some(known) = self.entries.iter_mut().find(|known| known.peer == peer) {
            if proven || known.spare {
                self.changed |= known.address != entry.address;
                *known = entry;
            }
            return;
        }
        if !proven && self.entries.len() >= SPARE {
            return;
        }
        if self.entries.len() >= MAX_KNOWN && !self.make_room(now) {
            return;
        }
        self.entries.push(entry);
        self.changed = true;
    }

    fn make_room(&mut self, now: Instant) -> bool {
        if let Some(at) = self.entries.iter().position(|entry| entry.spare) {
            self.entries.remove(at);
            return true;
        }
        if self.replaced.is_some_and(|at| now.saturating_duration_since(at) < REPLACE_EVERY) {
            return false;
        }
        self.replaced = Some(now);
        self.entries.pop();
        true
    }

    /// Whether the subnet of an entry has room beside the other peers of it; a spare one takes none from a proven one.
    fn takes(&self, entry: &Entry) -> bool {
        let Some(subnet) = subnet_in(&entry.address) else { return true };
        let others = self.entries.iter().filter(|other| other.peer != entry.peer && (entry.spare || !other.spare));
        others.filter(|other| subnet_in(&other.address) == Some(subnet)).count() < OF_SUBNET
    }

    /// A dial of a peer came to nothing, while others can be reached. Whether it is dropped for that.
    pub(crate) fn failed(&mut self, peer: &PeerId) -> bool {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.peer == *peer) else { return false };
        entry.failures += 1;
        let is_dead = entry.failures >= DEAD;
        if is_dead {
            self.forget(peer);
        }
        is_dead
    }

    /// A peer was reached.
    pub(crate) fn reached(&mut self, peer: &PeerId) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.peer == *peer) {
            entry.failures = 0;
        }
    }

    /// A peer is not good any more.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.peer != *peer);
        self.changed |= self.entries.len() != before;
    }

    /// Writes the file if it changed.
    #[cfg(test)]
    fn save(&mut self) -> io::Result<()> {
        self.changes().map_or(Ok(()), Changes::write)
    }

    /// What to write if the file has changed; it counts as written.
    pub(crate) fn changes(&mut self) -> Option<Changes> {
        let text = || self.entries.iter().map(|entry| format!("{}\n", entry.address)).collect();
        std::mem::take(&mut self.changed).then(|| Changes { path: self.path.clone(), text: text() })
    }
}

/// The bounded range that an address lies in; `None` where there is no bound: names, and what is not of the public internet.
fn subnet_in(address: &Multiaddr) -> Option<Subnet> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => owned_subnet(ip.into()),
        Protocol::Ip6(ip) => owned_subnet(ip.into()),
        _ => None,
    })
}

/// The file as it is to be, written where nobody waits.
pub(crate) struct Changes {
    path: PathBuf,
    text: String,
}

impl Changes {
    /// Replaces the file: the old one stays whole until the new one is on the disk.
    pub(crate) fn write(self) -> io::Result<()> {
        let mut temporary: OsString = self.path.clone().into();
        temporary.push(".tmp");
        write(Path::new(&temporary), self.text.as_bytes())?;
        fs::rename(&temporary, &self.path)
    }
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("preconf-known-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn address(port: usize) -> Multiaddr {
        format!("/ip4/192.0.2.1/tcp/{port}").parse().unwrap()
    }

    /// One of each /24.
    fn apart(n: usize) -> Multiaddr {
        format!("/ip4/8.{}.{}.1/tcp/9000", n >> 8, n & 255).parse().unwrap()
    }

    fn names(known: &KnownGood) -> Vec<PeerId> {
        known.peers().map(|(peer, _)| peer).collect()
    }

    #[test]
    fn what_is_noted_is_there_after_a_restart_the_longest_kept_first() {
        let folder = Folder::new("restart");
        let path = folder.0.join("known-peers");
        let mut known = KnownGood::load(path.clone()).unwrap();
        assert_eq!(known.peers().count(), 0);
        let peers: Vec<_> = (0..5).map(|_| PeerId::random()).collect();
        for (n, peer) in peers.iter().enumerate() {
            known.note(*peer, &apart(n), true, Instant::now());
        }
        known.note(peers[1], &apart(999), true, Instant::now());
        known.forget(&peers[3]);
        known.save().unwrap();
        let known = KnownGood::load(path.clone()).unwrap();
        assert_eq!(names(&known), [peers[0], peers[1], peers[2], peers[4]]);
        assert_eq!(known.peers().nth(1).unwrap().1.to_string(), format!("{}/p2p/{}", apart(999), peers[1]));
        assert!(!folder.0.join("known-peers.tmp").exists());
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
    }

    #[test]
    fn a_burst_of_new_ones_flushes_nobody_that_was_kept() {
        let folder = Folder::new("burst");
        let mut known = KnownGood::load(folder.0.join("known-peers")).unwrap();
        let (start, old): (_, Vec<_>) = (Instant::now(), (0..MAX_KNOWN).map(|_| PeerId::random()).collect());
        for (n, peer) in old.iter().enumerate() {
            known.note(*peer, &apart(n), true, start);
        }
        for n in 0..1000 {
            known.note(PeerId::random(), &apart(1000 + n), true, start + Duration::from_secs(n as u64));
        }
        let kept = names(&known);
        assert_eq!(kept.len(), MAX_KNOWN);
        assert_eq!(kept[..MAX_KNOWN - 1], old[..MAX_KNOWN - 1]);
        assert!(!kept.contains(&old[MAX_KNOWN - 1]), "the newest gave way");
    }

    #[test]
    fn one_subnet_has_two_places_and_a_local_network_all() {
        let folder = Folder::new("subnets");
        let path = folder.0.join("known-peers");
        let mut known = KnownGood::load(path.clone()).unwrap();
        let peers: Vec<_> = (0..4).map(|_| PeerId::random()).collect();
        for (n, peer) in peers.iter().enumerate() {
            known.note(*peer, &format!("/ip4/9.9.9.{n}/tcp/1").parse().unwrap(), true, Instant::now());
        }
        assert_eq!(names(&known), peers[..2]);
        known.note(peers[0], &"/ip4/9.9.9.77/tcp/1".parse().unwrap(), true, Instant::now());
        assert!(known.peers().next().unwrap().1.to_string().contains("9.9.9.77"), "it may move within");
        for host in 1..=5 {
            known.note(PeerId::random(), &format!("/ip4/10.0.0.{host}/tcp/1").parse().unwrap(), true, Instant::now());
        }
        assert_eq!(names(&known).len(), 7);
        // A file of an earlier version is thinned.
        let text: String = (0..9).map(|n| format!("/ip4/9.9.9.{n}/tcp/1/p2p/{}\n", PeerId::random())).collect();
        fs::write(&path, text).unwrap();
        assert_eq!(KnownGood::load(path).unwrap().peers().count(), OF_SUBNET);
    }

    #[test]
    fn spare_ones_are_kept_while_hardly_any_are_known_and_make_room_for_proven_ones() {
        let folder = Folder::new("spare");
        let mut known = KnownGood::load(folder.0.join("known-peers")).unwrap();
        let now = Instant::now();
        for n in 0..100 {
            known.note(PeerId::random(), &apart(n), false, now);
        }
        let spare = names(&known);
        assert_eq!(spare.len(), SPARE);
        known.note(spare[0], &apart(200), true, now);
        known.note(spare[0], &apart(201), false, now);
        assert!(known.peers().next().unwrap().1.to_string().starts_with(&apart(200).to_string()), "it is proven there");
        // Those of a subnet leave room for proven ones of it.
        let own: Vec<_> = (0..3).map(|_| PeerId::random()).collect();
        for (n, peer) in own.iter().enumerate() {
            known.note(*peer, &format!("/ip4/8.0.1.{n}/tcp/1").parse().unwrap(), true, now);
        }
        assert_eq!(own.iter().filter(|peer| names(&known).contains(peer)).count(), OF_SUBNET);
        for n in 300..300 + MAX_KNOWN {
            known.note(PeerId::random(), &apart(n), true, now);
        }
        assert_eq!(known.entries.len(), MAX_KNOWN);
        assert!(known.entries.iter().all(|entry| !entry.spare));
        assert!(names(&known).contains(&spare[0]));
    }

    #[test]
    fn the_dead_are_dropped_after_failures_in_a_row() {
        let folder = Folder::new("dead");
        let mut known = KnownGood::load(folder.0.join("known-peers")).unwrap();
        let (dead, shaky) = (PeerId::random(), PeerId::random());
        known.note(dead, &apart(1), true, Instant::now());
        known.note(shaky, &apart(2), true, Instant::now());
        for n in 1..DEAD {
            assert!(!known.failed(&dead) && !known.failed(&shaky), "{n}");
        }
        known.reached(&shaky);
        assert!(known.failed(&dead) && !known.failed(&shaky));
        assert_eq!(names(&known), [shaky]);
    }

    #[test]
    fn garbage_is_left_out_and_nothing_is_written_without_a_change() {
        let folder = Folder::new("garbage");
        let path = folder.0.join("known-peers");
        let peer = PeerId::random();
        let good = format!("{}/p2p/{peer}", address(1));
        let mut bytes = b"\xff\xfe\0nonsense\n/ip4/192.0.2.1/tcp/1\n\n".to_vec();
        bytes.extend_from_slice(format!("{good}\r\n/ip4/1.2.3").as_bytes());
        fs::write(&path, &bytes).unwrap();
        let mut known = KnownGood::load(path.clone()).unwrap();
        assert_eq!(known.peers().map(|(peer, _)| peer).collect::<Vec<_>>(), [peer]);
        known.note(peer, &good.parse().unwrap(), true, Instant::now());
        known.save().unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes, "known already");
        fs::write(&path, vec![b'a'; 1 << 20]).unwrap();
        assert_eq!(KnownGood::load(path).unwrap().peers().count(), 0);
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error_and_no_panic() {
        let folder = Folder::new("gone");
        let mut known = KnownGood::load(folder.0.join("missing").join("known-peers")).unwrap();
        known.note(PeerId::random(), &address(1), true, Instant::now());
        assert!(known.save().is_err());
    }
}
