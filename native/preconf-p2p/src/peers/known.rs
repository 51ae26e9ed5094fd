//! The file of peers known to be good: where a node starts after a restart, without a bootnode.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

use crate::driver::peer_of;

/// Peers kept; the file stays below [`MAX_FILE`].
pub(crate) const MAX_KNOWN: usize = 64;
/// Bytes of the file that are read.
const MAX_FILE: u64 = 64 << 10;
/// Longer addresses are not kept.
const MAX_ADDRESS: usize = 512;

/// Addresses at which good peers were reached, the last one first: a line each, a multiaddr that ends in `/p2p`.
#[derive(Debug)]
pub(crate) struct KnownGood {
    path: PathBuf,
    addresses: VecDeque<Multiaddr>,
    changed: bool,
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
        let addresses = text.lines().filter_map(|line| line.trim().parse().ok());
        let addresses = addresses.filter(|address| peer_of(address).is_some()).take(MAX_KNOWN).collect();
        Ok(Self { path, addresses, changed: false })
    }

    /// Who is known, the last good one first.
    pub(crate) fn peers(&self) -> impl Iterator<Item = (PeerId, &Multiaddr)> {
        self.addresses.iter().filter_map(|address| peer_of(address).map(|peer| (peer, address)))
    }

    /// A peer reached at `address` is good. The one longest unheard of gives way.
    pub(crate) fn note(&mut self, peer: PeerId, address: &Multiaddr) {
        let mut address = address.clone();
        if peer_of(&address).is_none() {
            address.push(Protocol::P2p(peer));
        }
        if self.addresses.contains(&address) || address.len() > MAX_ADDRESS {
            return;
        }
        self.forget(&peer);
        self.addresses.push_front(address);
        self.addresses.truncate(MAX_KNOWN);
        self.changed = true;
    }

    /// A peer is not good any more.
    pub(crate) fn forget(&mut self, peer: &PeerId) {
        let before = self.addresses.len();
        self.addresses.retain(|address| peer_of(address).as_ref() != Some(peer));
        self.changed |= self.addresses.len() != before;
    }

    /// Writes the file if it changed.
    #[cfg(test)]
    fn save(&mut self) -> io::Result<()> {
        self.changes().map_or(Ok(()), Changes::write)
    }

    /// What to write if the file has changed; it counts as written.
    pub(crate) fn changes(&mut self) -> Option<Changes> {
        let text = || self.addresses.iter().map(|address| format!("{address}\n")).collect();
        std::mem::take(&mut self.changed).then(|| Changes { path: self.path.clone(), text: text() })
    }
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

    #[test]
    fn what_is_noted_is_there_after_a_restart_the_last_first() {
        let folder = Folder::new("restart");
        let path = folder.0.join("known-peers");
        let mut known = KnownGood::load(path.clone()).unwrap();
        assert_eq!(known.peers().count(), 0);
        let peers: Vec<_> = (0..MAX_KNOWN + 2).map(|_| PeerId::random()).collect();
        for (port, peer) in peers.iter().enumerate() {
            known.note(*peer, &address(port + 1));
        }
        known.note(peers[9], &address(9999));
        known.forget(&peers[10]);
        known.save().unwrap();
        let known = KnownGood::load(path.clone()).unwrap();
        let read: Vec<_> = known.peers().map(|(peer, _)| peer).collect();
        assert_eq!(read.len(), MAX_KNOWN - 1);
        assert_eq!(read[..2], [peers[9], peers[MAX_KNOWN + 1]]);
        assert!(!read.contains(&peers[10]) && !read.contains(&peers[0]), "forgotten, and the oldest");
        assert!(!folder.0.join("known-peers.tmp").exists());
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
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
        known.note(peer, &good.parse().unwrap());
        known.save().unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes, "known already");
        fs::write(&path, vec![b'a'; 1 << 20]).unwrap();
        assert_eq!(KnownGood::load(path).unwrap().peers().count(), 0);
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error_and_no_panic() {
        let folder = Folder::new("gone");
        let mut known = KnownGood::load(folder.0.join("missing").join("known-peers")).unwrap();
        known.note(PeerId::random(), &address(1));
        assert!(known.save().is_err());
    }
}
