//! Building a node.

use std::sync::Arc;

use libp2p::identity::Keypair;

use crate::{
    Config, EventSink, Handle, IdentitySource, StartError,
    handle::Shared,
    identity::{keypair_of, load_or_create, public_key_of},
    inbox::{Batch, Inbox},
    stats::Counters,
};

/// A node that is built and listens, and does nothing until it is run. Dropping it closes its sockets.
pub struct Node {
    shared: Arc<Shared>,
}

impl Node {
    /// Builds a node: identity, transports, gossipsub; all listeners are bound when this returns.
    ///
    /// Must be called within a tokio runtime with time and I/O on.
    ///
    /// # Errors
    /// [`StartError`] names the part that failed and why.
    pub fn build(config: Config) -> Result<(Self, Handle), StartError> {
        let keypair = identity(&config.identity)?;
        let shared = Arc::new(Shared {
            peer_id: keypair.public().to_peer_id(),
            public_key: public_key_of(&keypair)?,
            counters: Arc::new(Counters::default()),
            inbox: Inbox::new(config.outbox_bytes),
        });
        Ok((Self { shared: Arc::clone(&shared) }, Handle::new(shared)))
    }

    /// Runs the node until [`Handle::stop`]. Every event goes to `sink`, from this task only.
    pub async fn run<S: EventSink>(self, sink: &mut S) {
        let mut batch = Batch::default();
        loop {
            self.shared.inbox.ready().await;
            self.shared.inbox.take(&mut batch);
            if batch.stop {
                break;
            }
        }
        self.shared.inbox.close();
        sink.flush();
    }
}

fn identity(source: &IdentitySource) -> Result<Keypair, StartError> {
    Ok(match source {
        IdentitySource::Ephemeral => Keypair::generate_secp256k1(),
        IdentitySource::File(path) => keypair_of(&load_or_create(path, true)?)?,
        IdentitySource::Secret(secret) => keypair_of(secret)?,
    })
}
