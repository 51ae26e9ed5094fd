//! Everything the swarm runs, in one behaviour.

use std::{sync::Arc, time::Duration};

use libp2p::{
    allow_block_list::{self, BlockedPeers},
    identify,
    identity::Keypair,
    ping, relay,
    swarm::NetworkBehaviour,
};

use crate::{
    Config, Protocol, StartError,
    gater::{self, Gate},
    gossip, nat,
    peers::keep,
    reqresp, single,
};

/// identify's protocol version (design/protocol.md, section 1).
const IDENTIFY_PROTOCOL: &str = "preconf-p2p/0.1";
/// A living peer answers a ping at least this often,
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// and within this.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// A peer of which nothing was heard for so long is gone. The ping's own failures would tell later: it does not count
/// the first.
pub(crate) const SILENCE: Duration = Duration::from_secs(25);

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    // First, so that what they refuse reaches no other.
    pub(crate) gater: gater::Behaviour,
    single: single::Behaviour,
    pub(crate) keep: keep::Behaviour,
    pub(crate) blocked: allow_block_list::Behaviour<BlockedPeers>,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(crate) gossip: gossip::Gossipsub,
    head: reqresp::Behaviour,
    commitments: reqresp::Behaviour,
    txlist: reqresp::Behaviour,
    // Last, so that they see connections that all others take.
    pub(crate) nat: nat::Behaviour,
}

impl Behaviour {
    pub(crate) fn new(
        config: &Config,
        keypair: &Keypair,
        gate: Arc<Gate>,
        relayed: Option<relay::client::Behaviour>,
    ) -> Result<Self, StartError> {
        let local = keypair.public().to_peer_id();
        let identify = identify::Config::new(IDENTIFY_PROTOCOL.to_owned(), keypair.public())
            .with_agent_version(config.agent_version.clone())
            // A request to a peer that has left would dial whatever addresses it named, private ones too.
            .with_cache_size(0);
        Ok(Self {
            gater: gater::Behaviour::new(gate, config.caps),
            single: single::Behaviour::new(local),
            keep: keep::Behaviour::default(),
            blocked: allow_block_list::Behaviour::default(),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT)),
            gossip: gossip::behaviour(config, keypair)?,
            head: reqresp::behaviour(config, Protocol::Head)?,
            commitments: reqresp::behaviour(config, Protocol::Commitments)?,
            txlist: reqresp::behaviour(config, Protocol::TxList)?,
            nat: nat::Behaviour::new(config, local, relayed),
        })
    }

    pub(crate) fn requests(&mut self, protocol: Protocol) -> &mut reqresp::Behaviour {
        match protocol {
            Protocol::Head => &mut self.head,
            Protocol::Commitments => &mut self.commitments,
            Protocol::TxList => &mut self.txlist,
        }
    }
}
