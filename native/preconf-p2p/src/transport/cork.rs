//! Lets what yamux writes in one go leave in one go.
//!
//! It flushes after each of its frames, however small, and a request is several: each would be sealed, sent and received by itself.
//! Here a flush is said to be done and waits until yamux, with nothing more to write, turns to reading, as it does in each poll; or
//! closes, which flushes below. So this is no connection for anyone who flushes and then waits for something else.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};

/// From so many bytes on a flush is not put off: what follows may be long in coming, and the peer could work on these.
const LARGEST: usize = 16 << 10;

/// A muxer whose connection is [`Corked`].
#[derive(Clone)]
pub(super) struct Corking<U>(pub(super) U);

impl<U: UpgradeInfo> UpgradeInfo for Corking<U> {
    type Info = U::Info;
    type InfoIter = U::InfoIter;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.protocol_info()
    }
}

impl<T, U: InboundConnectionUpgrade<Corked<T>>> InboundConnectionUpgrade<T> for Corking<U> {
    type Output = U::Output;
    type Error = U::Error;
    type Future = U::Future;

    fn upgrade_inbound(self, socket: T, info: Self::Info) -> Self::Future {
        self.0.upgrade_inbound(Corked::new(socket), info)
    }
}

impl<T, U: OutboundConnectionUpgrade<Corked<T>>> OutboundConnectionUpgrade<T> for Corking<U> {
    type Output = U::Output;
    type Error = U::Error;
    type Future = U::Future;

    fn upgrade_outbound(self, socket: T, info: Self::Info) -> Self::Future {
        self.0.upgrade_outbound(Corked::new(socket), info)
    }
}

/// A connection under yamux: flushed before each read, and when it is told to once [`LARGEST`] bytes wait.
pub(super) struct Corked<T> {
    inner: T,
    /// Why the flush before a read failed: told by the next flush, where yamux takes it for what it is.
    failed: Option<io::Error>,
    /// Bytes written since the last flush that succeeded.
    waiting: usize,
}

impl<T> Corked<T> {
    fn new(inner: T) -> Self {
        Self { inner, failed: None, waiting: 0 }
    }
}

impl<T: AsyncWrite + Unpin> Corked<T> {
    fn send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.waiting = 0;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Corked<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        // What can't be sent yet wakes the task when it can; reading goes on meanwhile.
        if self.waiting != 0
            && let Poll::Ready(Err(error)) = self.send(cx)
        {
            self.failed = Some(error);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Corked<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        self.waiting += count;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        if self.waiting < LARGEST { Poll::Ready(Ok(())) } else { self.send(cx) }
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, future::poll_fn};

    use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
    use libp2p::{
        Transport,
        core::{StreamMuxer, transport::MemoryTransport},
        yamux,
    };

    use super::*;
    use crate::transport::tests::{connect, listen};

    /// Takes all that is written, and counts; flushes as it is told to, and has nothing to read.
    #[derive(Default)]
    struct Line {
        flushes: VecDeque<Poll<io::Result<()>>>,
        flushed: usize,
        read: usize,
    }

    impl AsyncRead for Line {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            self.read += 1;
            Poll::Pending
        }
    }

    impl AsyncWrite for Line {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushed += 1;
            self.flushes.pop_front().unwrap_or(Poll::Ready(Ok(())))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn read(line: &mut Corked<Line>) -> Option<io::Result<usize>> {
        line.read(&mut [0; 8]).now_or_never()
    }

    fn write(line: &mut Corked<Line>, length: usize) {
        line.write_all(&vec![0; length]).now_or_never().unwrap().unwrap();
        line.flush().now_or_never().unwrap().unwrap();
    }

    #[test]
    fn small_writes_are_flushed_together_before_a_read() {
        let mut line = Corked::new(Line::default());
        assert!(read(&mut line).is_none());
        assert_eq!(line.inner.flushed, 0);
        for round in 1..4 {
            for _ in 0..5 {
                write(&mut line, 100);
            }
            assert_eq!(line.inner.flushed, round - 1);
            assert!(read(&mut line).is_none() && read(&mut line).is_none());
            assert_eq!(line.inner.flushed, round);
        }
    }

    #[test]
    fn large_writes_are_flushed_when_they_ask_for_it() {
        let mut line = Corked::new(Line::default());
        write(&mut line, LARGEST - 1);
        assert_eq!(line.inner.flushed, 0);
        write(&mut line, 1);
        assert_eq!(line.inner.flushed, 1);
        write(&mut line, 1);
        assert_eq!(line.inner.flushed, 1);
    }

    #[test]
    fn what_cannot_be_flushed_yet_hinders_no_read_and_is_tried_again() {
        let mut line = Corked::new(Line { flushes: [Poll::Pending, Poll::Pending].into(), ..Line::default() });
        write(&mut line, 1);
        for (flushed, read_) in [(1, 1), (2, 2), (3, 3), (3, 4)] {
            assert!(read(&mut line).is_none());
            assert_eq!((line.inner.flushed, line.inner.read), (flushed, read_));
        }
    }

    #[test]
    fn a_flush_that_fails_before_a_read_fails_the_next_flush() {
        let broken = io::ErrorKind::BrokenPipe;
        let mut line = Corked::new(Line { flushes: [Poll::Ready(Err(broken.into()))].into(), ..Line::default() });
        write(&mut line, 1);
        assert!(read(&mut line).is_none());
        assert_eq!(line.inner.read, 0);
        assert_eq!(line.flush().now_or_never().unwrap().unwrap_err().kind(), broken);
    }

    /// Counts what reaches the line below.
    struct Counted<T> {
        inner: T,
        flushes: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    }

    impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.inner).poll_read(cx, buf)
        }
    }

    impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.inner).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushes.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Pin::new(&mut self.inner).poll_flush(cx)
        }

        fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.inner).poll_close(cx)
        }
    }

    /// The muxer itself: it turns to reading whenever it has nothing more to write.
    #[tokio::test]
    async fn what_a_stream_writes_in_one_go_is_one_flush_and_all_of_it_arrives() {
        let (mut one, mut other) = (MemoryTransport::default(), MemoryTransport::default().boxed());
        let address = listen(&mut other, "/memory/0").await;
        let (near, far) = connect(&mut one, &mut other, address).await;
        let flushes = std::sync::Arc::default();
        let near = Counted { inner: near, flushes: std::sync::Arc::clone(&flushes) };
        let muxer = |socket| Corking(yamux::Config::default()).upgrade_outbound(socket, "/yamux/1.0.0");
        let mut near = muxer(near).await.unwrap();
        let mut far = Corking(yamux::Config::default()).upgrade_inbound(far, "/yamux/1.0.0").await.unwrap();

        let mut stream = poll_fn(|cx| Pin::new(&mut near).poll_outbound(cx)).await.unwrap();
        for part in [&b"length"[..], b"payload", b"more"] {
            stream.write_all(part).await.unwrap();
            stream.flush().await.unwrap();
        }
        stream.close().await.unwrap();
        assert!(poll_fn(|cx| Poll::Ready(Pin::new(&mut near).poll(cx).is_pending())).await);
        assert_eq!(flushes.load(std::sync::atomic::Ordering::Relaxed), 1);

        let mut read = Vec::new();
        let mut stream = poll_fn(|cx| Pin::new(&mut far).poll_inbound(cx)).await.unwrap();
        let reading = stream.read_to_end(&mut read);
        let running = poll_fn(|cx| Pin::new(&mut far).poll(cx));
        tokio::select! { end = reading => { end.unwrap(); }, _ = running => panic!("the muxer never ends") }
        assert_eq!(read, b"lengthpayloadmore");
    }
}
