//! Nodes behind address translation: whether this one is reached, how it knows, and what it does when it is not.
//!
//! UPnP maps its ports, AutoNAT v2 asks peers to dial it back, a relay takes connections for it (circuit relay v2), and hole
//! punching (`DCUtR`) replaces a relayed connection by a direct one. Each part can be off.

use libp2p::{
    Multiaddr, PeerId, autonat, dcutr, relay,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
    upnp,
};

use crate::{Config, gater::ip_in};

mod answer;
mod ask;
mod punch;
mod reach;
mod relays;
mod votes;

pub use reach::{Evidence, Reachability};
pub(crate) use reach::{Known, Reach, is_reachable, is_relayed};
pub(crate) use relays::{RelaySource, Relays};
pub(crate) use votes::Votes;

/// A circuit lasts at most so long,
const CIRCUIT_TIME: std::time::Duration = std::time::Duration::from_secs(120);
/// and carries so much each way: a hole is punched within seconds, and a node that can't is to live off other peers. The
/// library's 128 KiB would end it at the first larger txlist.
const CIRCUIT_BYTES: u64 = 8 << 20;

/// What a node does about address translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatConfig {
    /// Maps the listeners' ports on a router that speaks UPnP. Left out where nothing listens beyond this machine, and on a
    /// local network.
    pub upnp: bool,
    /// Asks peers to dial this node back (AutoNAT v2).
    pub autonat: bool,
    /// Dials peers back that ask for it.
    pub autonat_server: bool,
    /// Takes how peers see this node for its address where nothing better is known: two peers must agree.
    pub observed_address: bool,
    /// Dials through relays, and lets itself be reached through them while it is not reached directly.
    pub relay_client: bool,
    /// Relays, each with `/p2p`, through which this node is always to be reached. Without any it takes connected peers that
    /// offer it.
    pub relays: Vec<Multiaddr>,
    /// Is a relay for others, while it is reached itself.
    pub relay_server: bool,
    /// Replaces relayed connections by direct ones.
    pub hole_punching: bool,
}

impl Default for NatConfig {
    /// All but the relay for others.
    fn default() -> Self {
        Self {
            upnp: true,
            autonat: true,
            autonat_server: true,
            observed_address: true,
            relay_client: true,
            relays: Vec::new(),
            relay_server: false,
            hole_punching: true,
        }
    }
}

/// The parts of it that the swarm runs.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    upnp: Toggle<upnp::tokio::Behaviour>,
    ask: Toggle<ask::Behaviour>,
    answer: Toggle<answer::Behaviour>,
    relayed: Toggle<relay::client::Behaviour>,
    relay: Toggle<relay::Behaviour>,
    punch: Toggle<punch::Behaviour>,
}

/// Something happened that the driver has to know.
pub(crate) enum Happened {
    /// A port is mapped on the router, or no longer.
    Mapped(Multiaddr, bool),
    /// A peer dialled this node back at an address, or could not.
    DialledBack(Multiaddr, PeerId, bool),
    /// A hole was punched, or could not be.
    Punched(PeerId, Result<(), String>),
    /// Something for the log alone.
    Said(String),
}

impl Behaviour {
    pub(crate) fn new(whole: &Config, local: PeerId, relayed: Option<relay::client::Behaviour>) -> Self {
        let (config, local_network) = (&whole.nat, whole.local_network);
        let upnp = config.upnp && !local_network && whole.listen.iter().any(is_beyond_loopback);
        let punch = config.hole_punching && relayed.is_some();
        let served = relay::Config {
            max_circuit_duration: CIRCUIT_TIME,
            max_circuit_bytes: CIRCUIT_BYTES,
            ..relay::Config::default()
        };
        Self {
            upnp: upnp.then(upnp::tokio::Behaviour::default).into(),
            ask: config.autonat.then(|| ask::Behaviour::new(local_network)).into(),
            answer: config.autonat_server.then(|| answer::Behaviour::new(local_network)).into(),
            relayed: relayed.into(),
            relay: config.relay_server.then(|| relay::Behaviour::new(local, served)).into(),
            punch: punch.then(|| punch::Behaviour::new(local, local_network)).into(),
        }
    }

    /// Whether a connection was made only to dial a peer back: it is of no further use.
    pub(crate) fn is_dial_back(&self, connection: libp2p::swarm::ConnectionId) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.is_dial_back(connection))
    }
}

/// Whether other machines can dial what is listened at.
fn is_beyond_loopback(address: &Multiaddr) -> bool {
    ip_in(address).is_some_and(|ip| !ip.is_loopback())
}

impl BehaviourEvent {
    /// What it means.
    pub(crate) fn read(self) -> Happened {
        match self {
            Self::Upnp(upnp::Event::NewExternalAddr { external_addr, .. }) => Happened::Mapped(external_addr, true),
            Self::Upnp(upnp::Event::ExpiredExternalAddr { external_addr, .. }) => {
                Happened::Mapped(external_addr, false)
            }
            Self::Upnp(upnp::Event::GatewayNotFound) => Happened::Said("no router here speaks UPnP".to_owned()),
            Self::Upnp(upnp::Event::NonRoutableGateway) => {
                Happened::Said("the router that speaks UPnP has no public address itself".to_owned())
            }
            Self::Ask(autonat::v2::client::Event { tested_addr, server, result, .. }) => {
                Happened::DialledBack(tested_addr, server, result.is_ok())
            }
            Self::Answer(event) => {
                Happened::Said(format!("dialled {} back at {}: {:?}", event.client, event.tested_addr, event.result))
            }
            Self::Relayed(event) => Happened::Said(format!("{event:?}")),
            Self::Relay(event) => Happened::Said(format!("{event:?}")),
            Self::Punch(dcutr::Event { remote_peer_id, result }) => {
                Happened::Punched(remote_peer_id, result.map(drop).map_err(|error| error.to_string()))
            }
        }
    }
}
