//! The transport below name resolution: every address that is really dialled passes the gate.

use std::{
    error::Error,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, TryFutureExt, future::BoxFuture};
use libp2p::{
    Multiaddr, PeerId, Transport, TransportError,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, TransportEvent},
    },
};
use tokio::time::Instant;

use super::{DialRefusal, Gate, behaviour::reason_of};

type Connections = Boxed<(PeerId, StreamMuxerBox)>;

/// A transport of resolved addresses behind the gate.
pub(crate) struct Gated {
    inner: Connections,
    gate: Arc<Gate>,
}

impl Gated {
    pub(crate) fn new(inner: Connections, gate: Arc<Gate>) -> Self {
        Self { inner, gate }
    }
}

impl Transport for Gated {
    type Output = (PeerId, StreamMuxerBox);
    type Error = io::Error;
    type ListenerUpgrade = <Connections as Transport>::ListenerUpgrade;
    type Dial = BoxFuture<'static, io::Result<Self::Output>>;

    fn listen_on(&mut self, id: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(&mut self, address: Multiaddr, options: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let now = Instant::now();
        if let Err(refusal) = self.gate.admit(&address, now) {
            self.gate.refused(reason_of(refusal), &address, now);
            return Err(TransportError::Other(io::Error::other(refusal)));
        }
        let gate = Arc::clone(&self.gate);
        let dial = self.inner.dial(address.clone(), options)?;
        Ok(dial.inspect_ok(move |(peer, _)| gate.reached(*peer, &address)).boxed())
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// The refusal within a transport's error, whatever it was wrapped in on its way.
pub(crate) fn refusal_in(error: &io::Error) -> Option<DialRefusal> {
    let mut error: &(dyn Error + 'static) = error;
    loop {
        if let Some(refusal) = error.downcast_ref() {
            return Some(*refusal);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        error = match inner {
            Some(inner) => inner,
            None => error.source()?,
        };
    }
}
