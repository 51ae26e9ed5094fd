//! A stream muxer that counts bytes and keeps each peer's [`Ledger`].

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{AsyncRead, AsyncWrite, FutureExt};
use libp2p::core::{
    StreamMuxer,
    muxing::{StreamMuxerBox, StreamMuxerEvent, SubstreamBox},
};
use tokio::time::{Instant, Sleep, sleep};

use super::{
    ledger::Ledger,
    load::Slot,
    optimistic::{Negotiation, Proposals},
    wire::{Fingerprint, Frames, Kind},
};
use crate::stats::Counters;

/// A connection says goodbye for no longer than this: to a peer that reads nothing it would for ever.
const GOODBYE: Duration = Duration::from_secs(1);

/// Inbound streams refused in a row before others get their turn.
const REFUSALS: usize = 16;

/// A connection's muxer, metered.
pub(super) struct Metered {
    inner: StreamMuxerBox,
    closing: Option<Pin<Box<Sleep>>>,
    counters: Arc<Counters>,
    ledger: Arc<Ledger>,
    proposals: Proposals,
}

impl Metered {
    pub(super) fn new(
        inner: StreamMuxerBox,
        counters: Arc<Counters>,
        ledger: Arc<Ledger>,
        proposals: Proposals,
    ) -> Self {
        Self { inner, closing: None, counters, ledger, proposals }
    }

    fn stream(&self, inner: SubstreamBox, slot: Option<Slot>) -> MeteredStream {
        MeteredStream {
            inner,
            negotiation: slot.is_none().then(|| Negotiation::new(self.proposals.clone())),
            counters: Arc::clone(&self.counters),
            ledger: Arc::clone(&self.ledger),
            frames: Frames::new(),
            ended: Vec::new(),
            outbound: slot.is_none(),
            _slot: slot,
            gossip: Gossip::No,
        }
    }
}

impl StreamMuxer for Metered {
    type Substream = MeteredStream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<MeteredStream>> {
        for _ in 0..REFUSALS {
            let stream = ready!(Pin::new(&mut self.inner).poll_inbound(cx))?;
            // Dropped without a place, which resets it.
            if let Some(slot) = Slot::take(&self.ledger) {
                return Poll::Ready(Ok(self.stream(stream, Some(slot))));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<MeteredStream>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_outbound(cx))?;
        Poll::Ready(Ok(self.stream(stream, None)))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(result) = Pin::new(&mut self.inner).poll_close(cx) {
            return Poll::Ready(result);
        }
        self.closing.get_or_insert_with(|| Box::pin(sleep(GOODBYE))).poll_unpin(cx).map(Ok)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// What is known of a stream's part in gossip.
enum Gossip {
    No,
    /// This node writes its messages here; the number names the stream in the ledger.
    Outbound(u64),
    /// The peer writes its messages here.
    Inbound,
}

/// A substream, metered.
pub(super) struct MeteredStream {
    inner: SubstreamBox,
    /// Of a stream that this node opened.
    negotiation: Option<Negotiation>,
    counters: Arc<Counters>,
    ledger: Arc<Ledger>,
    frames: Frames,
    ended: Vec<Fingerprint>,
    outbound: bool,
    /// An inbound stream's place among those that may be open.
    _slot: Option<Slot>,
    gossip: Gossip,
}

impl MeteredStream {
    fn written(&mut self, bytes: &[u8]) {
        if let Some(negotiation) = &mut self.negotiation {
            negotiation.written(bytes);
        }
        self.counters.bytes_out.add(bytes.len() as u64);
        if self.frames.kind() == Kind::Other {
            return;
        }
        let ended = &mut self.ended;
        self.frames.feed(bytes, |message| ended.push(message));
        if self.frames.kind() == Kind::Gossip && matches!(self.gossip, Gossip::No) {
            self.gossip = if self.outbound {
                Gossip::Outbound(self.ledger.outbound_opened())
            } else {
                self.ledger.inbound_opened();
                Gossip::Inbound
            };
        }
        if let Gossip::Outbound(id) = self.gossip {
            self.ledger.wrote(id, bytes.len(), &self.ended, Instant::now());
        }
        self.ended.clear();
    }
}

impl AsyncRead for MeteredStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if let Some(negotiation) = &mut this.negotiation {
            if let Some(count) = negotiation.tell(buf) {
                return Poll::Ready(Ok(count));
            }
            while negotiation.is_open() {
                let count = ready!(negotiation.poll_confirm(&mut this.inner, cx))?;
                this.counters.bytes_in.add(count as u64);
                if count == 0 {
                    return Poll::Ready(Ok(0));
                }
                this.ledger.read(Instant::now());
            }
        }
        let count = ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        this.counters.bytes_in.add(count as u64);
        if count > 0 {
            this.ledger.read(Instant::now());
            this.negotiation = None;
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write(cx, buf) {
            Poll::Ready(Ok(count)) => {
                self.written(&buf[..count]);
                Poll::Ready(Ok(count))
            }
            Poll::Pending => {
                if let Gossip::Outbound(id) = self.gossip {
                    self.ledger.blocked(id);
                }
                Poll::Pending
            }
            error => error,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.inner).poll_flush(cx));
        if let (Ok(()), Gossip::Outbound(id)) = (&result, &self.gossip) {
            self.ledger.flushed(*id, Instant::now());
        }
        Poll::Ready(result)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

impl Drop for MeteredStream {
    fn drop(&mut self) {
        match self.gossip {
            Gossip::No => {}
            Gossip::Outbound(id) => self.ledger.outbound_closed(id),
            Gossip::Inbound => self.ledger.inbound_closed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{AsyncReadExt, AsyncWriteExt};
    use libp2p::PeerId;

    use super::*;
    use crate::transport::{Ledgers, Load, LoadCaps};

    /// Takes all that is written and says nothing until it says this.
    struct Listener(std::sync::mpsc::Receiver<Vec<u8>>);

    impl AsyncRead for Listener {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            let Ok(said) = self.0.try_recv() else { return Poll::Pending };
            buf[..said.len()].copy_from_slice(&said);
            Poll::Ready(Ok(said.len()))
        }
    }

    impl AsyncWrite for Listener {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_the_dialer_is_told_for_the_peer_is_no_sign_of_its_life() {
        let counters = Arc::new(Counters::default());
        let caps = LoadCaps { streams_of_peer: 8, streams: 8, queued: 1 << 20 };
        let ledger = Ledgers::new(Load::new(caps, Arc::clone(&counters))).of(PeerId::random());
        let (say, said) = std::sync::mpsc::channel();
        let mut stream = MeteredStream {
            inner: SubstreamBox::new(Listener(said)),
            negotiation: Some(Negotiation::new(Proposals::new(["/a".to_owned()]))),
            counters: Arc::clone(&counters),
            ledger: Arc::clone(&ledger),
            frames: Frames::new(),
            ended: Vec::new(),
            outbound: true,
            _slot: None,
            gossip: Gossip::No,
        };
        let proposal = b"\x13/multistream/1.0.0\n\x03/a\n";
        stream.write_all(proposal).now_or_never().unwrap().unwrap();
        let mut told = [0; 24];
        stream.read_exact(&mut told).now_or_never().unwrap().unwrap();
        assert_eq!(&told, proposal);
        let mut buf = [0; 64];
        assert!(stream.read(&mut buf).now_or_never().is_none());
        let heard = |ledger: &Ledger| ledger.health(Instant::now()).last_read.is_some();
        assert!(!heard(&ledger) && counters.bytes_in.get() == 0);

        say.send(proposal[..5].to_vec()).unwrap();
        assert!(stream.read(&mut buf).now_or_never().is_none());
        assert!(heard(&ledger) && counters.bytes_in.get() == 5);
        say.send(proposal[5..].to_vec()).unwrap();
        say.send(b"the answer".to_vec()).unwrap();
        let count = stream.read(&mut buf).now_or_never().unwrap().unwrap();
        assert_eq!((&buf[..count], counters.bytes_in.get()), (&b"the answer"[..], 34));
    }
}
