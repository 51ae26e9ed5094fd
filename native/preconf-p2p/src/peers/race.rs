//! A peer's TCP and QUIC addresses are dialled together, the preferred transport with a head start: the first to connect
//! wins, the others are given up.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use libp2p::{
    Multiaddr, PeerId, Transport, TransportError,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, TransportEvent},
    },
    multiaddr::Protocol,
};

/// The lead of the preferred transport: as long as a second connection is held back elsewhere (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// A transport that an address may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// `/tcp/…`.
    Tcp = 1,
    /// `/udp/…/quic-v1`.
    Quic = 2,
}

impl Way {
    pub(crate) fn of(address: &Multiaddr) -> Option<Self> {
        address.iter().find_map(|part| match part {
            Protocol::Tcp(_) => Some(Self::Tcp),
            Protocol::QuicV1 => Some(Self::Quic),
            _ => None,
        })
    }
}

/// Which way is held back in the dials that are being made. The swarm hands a dial's addresses to the transport while
/// its caller waits, so that this is about one dial at a time.
#[derive(Debug, Default)]
pub(crate) struct HeadStart(AtomicU8);

impl HeadStart {
    /// Makes a dial of `addresses` with `dial`; when both ways are among them, the one that is not `preferred` starts
    /// later.
    pub(crate) fn during<T>(&self, preferred: Way, addresses: &[Multiaddr], dial: impl FnOnce() -> T) -> T {
        let other = match preferred {
            Way::Tcp => Way::Quic,
            Way::Quic => Way::Tcp,
        };
        let has = |way| addresses.iter().any(|address| Way::of(address) == Some(way));
        if has(preferred) && has(other) {
            self.0.store(other as u8, Ordering::Relaxed);
        }
        let result = dial();
        self.0.store(0, Ordering::Relaxed);
        result
    }

    fn holds_back(&self, address: &Multiaddr) -> bool {
        let held = self.0.load(Ordering::Relaxed);
        held != 0 && Way::of(address).is_some_and(|way| way as u8 == held)
    }
}

type Connections = Boxed<(PeerId, StreamMuxerBox)>;

/// The node's transport with head starts.
pub(crate) struct Raced {
    inner: Connections,
    head_start: Arc<HeadStart>,
}

impl Raced {
    pub(crate) fn new(inner: Connections, head_start: Arc<HeadStart>) -> Self {
        Self { inner, head_start }
    }
}

impl Transport for Raced {
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
        let held_back = self.head_start.holds_back(&address);
        let dial = self.inner.dial(address, options)?;
        if !held_back {
            return Ok(dial.boxed());
        }
        Ok(async move {
            tokio::time::sleep(HEAD_START).await;
            dial.await
        }
        .boxed())
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_dial_with_both_ways_holds_one_back() {
        let [tcp, quic]: [Multiaddr; 2] =
            ["/ip4/192.0.2.1/tcp/1", "/ip4/192.0.2.1/udp/1/quic-v1"].map(|text| text.parse().unwrap());
        let head_start = HeadStart::default();
        let held = |preferred, addresses: &[Multiaddr]| {
            head_start.during(preferred, addresses, || (head_start.holds_back(&tcp), head_start.holds_back(&quic)))
        };
        assert_eq!(held(Way::Tcp, &[tcp.clone(), quic.clone()]), (false, true));
        assert_eq!(held(Way::Quic, &[tcp.clone(), quic.clone()]), (true, false));
        assert_eq!(held(Way::Quic, std::slice::from_ref(&tcp)), (false, false));
        assert_eq!(held(Way::Tcp, std::slice::from_ref(&quic)), (false, false));
        assert!(!head_start.holds_back(&tcp) && !head_start.holds_back(&quic), "no longer than the dial");
    }
}
