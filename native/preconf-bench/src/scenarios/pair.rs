//! Two nodes in one process, connected over loopback.

use std::{
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol as Part};
use preconf_p2p::Config;

use crate::{
    host::{Host, Seen},
    report::{Options, Transport},
    store::Bounds,
};

/// Longer than anything but a hang takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A node's configuration: the network's defaults on a free loopback port.
pub fn config(options: &Options) -> Config {
    let listen = match options.transport {
        Transport::Tcp => "/ip4/127.0.0.1/tcp/0",
        Transport::Quic => "/ip4/127.0.0.1/udp/0/quic-v1",
    };
    Config { listen: vec![listen.parse().expect("a multiaddr")], author: options.author, ..Config::default() }
}

/// A node with a listener and its dialable address.
///
/// # Errors
/// It could not start.
pub fn listening(config: Config, bounds: Bounds) -> Result<(Host, Receiver<Seen>, Multiaddr), String> {
    let (host, events) = Host::start(config, bounds)?;
    let address = wait(&events, |seen| if let Seen::Listening(address) = seen { Some(address.clone()) } else { None })?;
    let address = address.with(Part::P2p(host.node().local_peer_id()));
    Ok((host, events, address))
}

/// Waits for what `pick` takes.
///
/// # Errors
/// A failure came first, or nothing in time.
pub fn wait<T>(events: &Receiver<Seen>, mut pick: impl FnMut(&Seen) -> Option<T>) -> Result<T, String> {
    let started = Instant::now();
    loop {
        let left = PATIENCE.saturating_sub(started.elapsed());
        match events.recv_timeout(left) {
            Ok(Seen::Failed(text)) => return Err(text),
            Ok(seen) => {
                if let Some(found) = pick(&seen) {
                    return Ok(found);
                }
            }
            Err(_) => return Err(format!("what was waited for did not happen in {PATIENCE:?}")),
        }
    }
}

/// Waits until each of them has a peer in both its meshes.
///
/// # Errors
/// It did not happen in time.
pub fn wait_for_mesh(hosts: &[&Host]) -> Result<(), String> {
    let started = Instant::now();
    while hosts.iter().any(|host| {
        let stats = host.node().stats();
        stats.mesh_commitments == 0 || stats.mesh_txlists == 0
    }) {
        if started.elapsed() > PATIENCE {
            return Err("the mesh did not form".to_owned());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// `from` publishes and asks; `to` receives and answers.
pub struct Pair {
    /// The one that dialled.
    pub from: Host,
    /// What `from` sees.
    pub from_events: Receiver<Seen>,
    /// The one that was dialled.
    pub to: Host,
    /// What `to` sees.
    pub to_events: Receiver<Seen>,
}

impl Pair {
    /// Starts both and waits until each is in the other's meshes.
    ///
    /// # Errors
    /// They did not start or meet.
    pub fn connect(options: &Options, from: Bounds, to: Bounds) -> Result<Self, String> {
        let (to, to_events, address) = listening(config(options), to)?;
        let (from, from_events, _) = listening(config(options), from)?;
        from.node().dial(address, 0).map_err(|error| error.to_string())?;
        for events in [&from_events, &to_events] {
            let mut topics = 0;
            wait(events, |seen| {
                topics += usize::from(matches!(seen, Seen::Subscribed));
                (topics == 2).then_some(())
            })?;
        }
        let pair = Self { from, from_events, to, to_events };
        wait_for_mesh(&[&pair.from, &pair.to])?;
        Ok(pair)
    }

    /// Who is asked.
    pub fn asked(&self) -> PeerId {
        self.to.node().local_peer_id()
    }

    /// Stops both.
    pub fn stop(self) {
        self.from.stop();
        self.to.stop();
    }
}
