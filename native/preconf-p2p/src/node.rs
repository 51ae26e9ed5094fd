//! Building a node.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    num::NonZeroU8,
    sync::Arc,
};

use libp2p::{
    Multiaddr, Swarm, Transport, TransportError, core::transport::ListenerId, identity::Keypair, multiaddr::Protocol,
    relay, swarm,
};

use crate::{
    Config, EventSink, Handle, IdentitySource, StartError,
    behaviour::Behaviour,
    discovery::Discovery,
    driver::{self, Driver},
    gater::{Gate, MAX_TARGETS},
    handle::Shared,
    identity::{keypair_of, load_or_create, public_key_of},
    inbox::Inbox,
    nat::is_relayed,
    peers::race::{HeadStart, Raced},
    stats::Counters,
    transport::{self, Ledgers, Load, LoadCaps},
};

/// A node that is built and listens, and does nothing until it is run. Dropping it closes its sockets.
pub struct Node {
    net: Net,
    ledgers: Arc<Ledgers>,
    discovery: Option<Discovery>,
    config: Config,
    shared: Closing,
}

/// Closes admission when the node is gone, however it went.
pub(crate) struct Closing(Arc<Shared>);

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
        let peer_id = keypair.public().to_peer_id();
        let counters = Arc::new(Counters::default());
        let ledgers = Arc::new(Ledgers::new(Load::new(load_caps(&config), Arc::clone(&counters))));
        let gate = Arc::new(gate(&config, &counters)?);
        let head_start = Arc::new(HeadStart::default());
        let (relay, relayed) = config.nat.relay_client.then(|| relay::client::new(peer_id)).unzip();
        let transport = transport::build(&config, &keypair, &counters, &ledgers, &gate, relay)?;
        let transport = Raced::new(transport, Arc::clone(&head_start)).boxed();
        let behaviour = Behaviour::new(&config, &keypair, Arc::clone(&gate), relayed)?;
        let mut swarm_config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(config.idle_timeout);
        if let Some(concurrency) = NonZeroU8::new(config.dial_concurrency) {
            swarm_config = swarm_config.with_dial_concurrency_factor(concurrency);
        }
        let swarm = Swarm::new(transport, behaviour, peer_id, swarm_config);
        let mut net = Net { swarm, listeners: Vec::new(), head_start };
        for address in &config.listen {
            net.listen(address)?;
        }
        let discovery = config.discovery.as_ref();
        let discovery = discovery.map(|found| Discovery::build(found, &config, &keypair)).transpose()?;
        let shared = Arc::new(Shared {
            record: discovery.as_ref().map(Discovery::record),
            peer_id,
            public_key: public_key_of(&keypair)?,
            counters,
            inbox: Inbox::new(config.outbox_bytes),
            gate,
        });
        let handle = Handle::new(Arc::clone(&shared));
        Ok((Self { net, ledgers, discovery, config, shared: Closing(shared) }, handle))
    }

    /// Runs the node until [`Handle::stop`]; returns within half a second of it. Every event goes to `sink`, from this
    /// task only. When it returns, all that was pending has ended; [`crate::Event::Stopped`] and
    /// [`crate::Event::Faulted`] are left to the caller.
    pub async fn run<S: EventSink>(self, sink: &mut S) {
        let (driver, _closing) = self.driver(sink);
        driver.run().await;
    }

    /// The node's task, and what has to outlive it.
    pub(crate) fn driver<S: EventSink>(self, sink: &mut S) -> (Driver<'_, S>, Closing) {
        let shared = Arc::clone(&self.shared.0);
        (Driver::new(self.net, shared, self.ledgers, self.discovery, &self.config, sink), self.shared)
    }
}

fn check(config: &Config) -> Result<(), StartError> {
    if config.heartbeat.is_zero() {
        return Err(StartError::Config("the heartbeat must not be zero".to_owned()));
    }
    if config.peer_queue_len == 0 {
        return Err(StartError::Config("peer_queue_len must not be zero".to_owned()));
    }
    if let Some(fault) = config.peers.fault() {
        return Err(StartError::Config(fault));
    }
    for address in &config.static_peers {
        if driver::peer_of(address).is_none() {
            return Err(StartError::Config(format!("static peer {address} does not end in /p2p")));
        }
    }
    for address in &config.nat.relays {
        if driver::peer_of(address).is_none() || is_relayed(address) {
            return Err(StartError::Config(format!("relay {address} is no address that ends in /p2p")));
        }
    }
    Ok(())
}

fn load_caps(config: &Config) -> LoadCaps {
    LoadCaps { streams_of_peer: config.max_peer_streams, streams: config.max_streams, queued: config.queue_bytes }
}

fn gate(config: &Config, counters: &Arc<Counters>) -> Result<Gate, StartError> {
    let statics = config.static_peers.iter().filter_map(driver::peer_of);
    Gate::new(&config.gater, statics, config.memory_ceiling, Arc::clone(counters))
        .map_err(|_| StartError::Config(format!("over {MAX_TARGETS} blocked targets, or protected and static peers")))
}

/// The swarm and its listeners. The in-process transport frees an address only when it is told to.
pub(crate) struct Net {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) head_start: Arc<HeadStart>,
    listeners: Vec<ListenerId>,
}

impl Net {
    fn listen(&mut self, address: &Multiaddr) -> Result<(), StartError> {
        let failed = |error: String| StartError::Listen { address: address.clone(), error };
        if let Some(socket) = tcp_socket(address) {
            // The TCP transport binds with SO_REUSEPORT, so a port that another node has would look free.
            TcpListener::bind(socket).map_err(|error| failed(error.to_string()))?;
        }
        let listener = self.swarm.listen_on(address.clone()).map_err(|error| {
            failed(match error {
                TransportError::MultiaddrNotSupported(_) => "no enabled transport takes this address".to_owned(),
                TransportError::Other(error) => error.to_string(),
            })
        })?;
        self.listeners.push(listener);
        Ok(())
    }

    /// Listens at a relay: takes a while, and may come to nothing.
    pub(crate) fn listen_at(&mut self, circuit: Multiaddr) -> Result<ListenerId, TransportError<io::Error>> {
        let listener = self.swarm.listen_on(circuit)?;
        self.listeners.push(listener);
        Ok(listener)
    }

    /// A listener is gone.
    pub(crate) fn listener_closed(&mut self, listener: ListenerId) {
        self.listeners.retain(|open| *open != listener);
    }

    pub(crate) fn listeners(&self) -> &[ListenerId] {
        &self.listeners
    }

    /// Takes no more connections.
    pub(crate) fn close_listeners(&mut self) {
        for listener in self.listeners.drain(..) {
            self.swarm.remove_listener(listener);
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.close_listeners();
    }
}

/// The socket of a TCP address with a port of its own choice.
fn tcp_socket(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::from(ip),
        Protocol::Ip6(ip) => IpAddr::from(ip),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) if port != 0 => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

fn identity(source: &IdentitySource) -> Result<Keypair, StartError> {
    Ok(match source {
        IdentitySource::Ephemeral => Keypair::generate_secp256k1(),
        IdentitySource::File(path) => keypair_of(&load_or_create(path, true)?)?,
        IdentitySource::Secret(secret) => keypair_of(secret)?,
    })
}
