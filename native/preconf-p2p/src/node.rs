//! Building a node.

use std::{num::NonZeroU8, sync::Arc};

use libp2p::{Multiaddr, Swarm, identity::Keypair, swarm};

use crate::{
    Config, EventSink, Handle, IdentitySource, StartError,
    behaviour::Behaviour,
    driver::{self, Driver},
    handle::Shared,
    identity::{keypair_of, load_or_create, public_key_of},
    inbox::Inbox,
    stats::Counters,
    transport::{self, Ledgers},
};

/// A node that is built and listens, and does nothing until it is run. Dropping it closes its sockets.
pub struct Node {
    swarm: Swarm<Behaviour>,
    ledgers: Arc<Ledgers>,
    config: Config,
    shared: Closing,
}

/// Closes admission when the node is gone, however it went.
struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.inbox.close();
    }
}

impl Node {
    /// Builds a node: identity, transports, gossipsub; all listeners are bound when this returns.
    ///
    /// Must be called within a tokio runtime with time and I/O on.
    ///
    /// # Errors
    /// [`StartError`] names the part that failed and why.
    pub fn build(config: Config) -> Result<(Self, Handle), StartError> {
        check(&config)?;
        let keypair = identity(&config.identity)?;
        let counters = Arc::new(Counters::default());
        let ledgers = Arc::new(Ledgers::default());
        let transport = transport::build(&config, &keypair, &counters, &ledgers)?;
        let behaviour = Behaviour::new(&config, &keypair)?;
        let mut swarm_config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(config.idle_timeout);
        if let Some(concurrency) = NonZeroU8::new(config.dial_concurrency) {
            swarm_config = swarm_config.with_dial_concurrency_factor(concurrency);
        }
        let peer_id = keypair.public().to_peer_id();
        let mut swarm = Swarm::new(transport, behaviour, peer_id, swarm_config);
        for address in &config.listen {
            listen(&mut swarm, address)?;
        }
        let shared = Arc::new(Shared {
            peer_id,
            public_key: public_key_of(&keypair)?,
            counters,
            inbox: Inbox::new(config.outbox_bytes),
        });
        let handle = Handle::new(Arc::clone(&shared));
        Ok((Self { swarm, ledgers, config, shared: Closing(shared) }, handle))
    }

    /// Runs the node until [`Handle::stop`]; returns within half a second of it. Every event goes to `sink`, from this
    /// task only. When it returns, all that was pending has ended; [`crate::Event::Stopped`] and
    /// [`crate::Event::Faulted`] are left to the caller.
    pub async fn run<S: EventSink>(self, sink: &mut S) {
        let shared = Arc::clone(&self.shared.0);
        Driver::new(self.swarm, shared, self.ledgers, &self.config, sink).run().await;
    }
}

fn check(config: &Config) -> Result<(), StartError> {
    if config.heartbeat.is_zero() {
        return Err(StartError::Config("the heartbeat must not be zero".to_owned()));
    }
    if config.peer_queue_len == 0 {
        return Err(StartError::Config("peer_queue_len must not be zero".to_owned()));
    }
    for address in &config.static_peers {
        if driver::peer_of(address).is_none() {
            return Err(StartError::Config(format!("static peer {address} does not end in /p2p")));
        }
    }
    Ok(())
}

fn listen(swarm: &mut Swarm<Behaviour>, address: &Multiaddr) -> Result<(), StartError> {
    let failed = |error: String| StartError::Listen { address: address.clone(), error };
    swarm.listen_on(address.clone()).map(drop).map_err(|error| failed(error.to_string()))
}

fn identity(source: &IdentitySource) -> Result<Keypair, StartError> {
    Ok(match source {
        IdentitySource::Ephemeral => Keypair::generate_secp256k1(),
        IdentitySource::File(path) => keypair_of(&load_or_create(path, true)?)?,
        IdentitySource::Secret(secret) => keypair_of(secret)?,
    })
}
