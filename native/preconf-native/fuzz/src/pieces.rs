//! A peer's bytes as a stream brings them.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::AsyncRead;

/// Gives the bytes in pieces of at most so many, then the end; every second time it says that nothing has come yet.
pub(crate) struct Pieces<'a> {
    pub(crate) left: &'a [u8],
    most: usize,
    /// How it ends, if it breaks.
    breaks: Option<io::ErrorKind>,
    waits: bool,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(bytes: &'a [u8], most: usize, breaks: Option<io::ErrorKind>) -> Self {
        Self { left: bytes, most, breaks, waits: false }
    }
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.waits = !self.waits;
        if self.waits {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.left.is_empty()
            && let Some(error) = self.breaks
        {
            return Poll::Ready(Err(error.into()));
        }
        let (now, later) = self.left.split_at(self.left.len().min(self.most).min(buf.len()));
        buf[..now.len()].copy_from_slice(now);
        self.left = later;
        Poll::Ready(Ok(now.len()))
    }
}
