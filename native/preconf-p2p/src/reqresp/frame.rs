//! One frame: an unsigned-varint length, then that many bytes.

use std::io;

use futures::{AsyncRead, AsyncReadExt};

use crate::{Protocol, buffers::Lent};

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From who asks.
    Request,
    /// From who answers.
    Response,
}

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream ended before its first byte.
    #[error("the stream ended before a frame began")]
    Empty,
    /// The stream ended within the length or the payload.
    #[error("the stream ended within a frame")]
    Cut,
    /// The length has more bytes than any length below 2³² needs, or a last byte that adds nothing.
    #[error("the frame's length is not a minimal varint of at most 32 bits")]
    BadLength,
    /// The length is over the cap.
    #[error("a frame of {length} bytes is over the cap of {cap}")]
    OverCap {
        /// The length declared.
        length: usize,
        /// The cap.
        cap: usize,
    },
    /// Reading failed.
    #[error(transparent)]
    Io(io::Error),
}

/// The most payload bytes of a frame (design/protocol.md, section 1).
pub const fn frame_cap(protocol: Protocol, direction: Direction) -> usize {
    match (protocol, direction) {
        (Protocol::Head, Direction::Request) => 128,
        (Protocol::Head, Direction::Response) => 64 << 10,
        (Protocol::Commitments, Direction::Request) => 512,
        (Protocol::Commitments, Direction::Response) => 256 * 4096,
        (Protocol::TxList, Direction::Request) => 256,
        (Protocol::TxList, Direction::Response) => (2 << 20) + 4096,
    }
}

/// The varint of a frame's length: the bytes, and how many of them count.
pub fn encode_length(length: u32) -> ([u8; 5], usize) {
    let mut bytes = [0; 5];
    let mut rest = length;
    let mut used = 0;
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        bytes[used] = if rest == 0 { low } else { low | 0x80 };
        used += 1;
        if rest == 0 {
            return (bytes, used);
        }
    }
}

/// A payload as one frame.
///
/// # Panics
/// When `payload` has 2³² bytes or more.
pub fn encode_frame(payload: &[u8]) -> Vec<u8> {
    let (length, used) = encode_length(u32::try_from(payload.len()).expect("a frame is below 4 GiB"));
    let mut frame = Vec::with_capacity(used + payload.len());
    frame.extend_from_slice(&length[..used]);
    frame.extend_from_slice(payload);
    frame
}

/// Reads one frame and returns its payload. What follows the frame is left unread.
///
/// The length is checked against `cap` before anything is read or allocated for the payload, and the buffer grows with
/// what arrives: at most four times the bytes received, plus 16 KiB, made with the room of [`crate::buffers`].
///
/// # Errors
/// [`FrameError`].
pub async fn read_frame<T: AsyncRead + Unpin>(io: &mut T, cap: usize) -> Result<Vec<u8>, FrameError> {
    let length = read_length(io).await?;
    if length > cap {
        return Err(FrameError::OverCap { length, cap });
    }
    let mut payload = Lent::default();
    while payload.len() < length {
        let filled = payload.len();
        let target = length.min((filled * GROWTH).max(FIRST_CHUNK));
        // Streams read into initialised bytes only.
        let mut larger = Lent::of(target);
        larger[..filled].copy_from_slice(&payload);
        payload = larger;
        io.read_exact(&mut payload[filled..]).await.map_err(cut)?;
    }
    Ok(payload.take())
}

const FIRST_CHUNK: usize = 16 << 10;
/// What the buffer grows by each time it is full.
const GROWTH: usize = 4;

fn cut(error: io::Error) -> FrameError {
    if error.kind() == io::ErrorKind::UnexpectedEof { FrameError::Cut } else { FrameError::Io(error) }
}

async fn read_length<T: AsyncRead + Unpin>(io: &mut T) -> Result<usize, FrameError> {
    let mut value: u64 = 0;
    for index in 0..5 {
        let mut byte = [0];
        if io.read(&mut byte).await.map_err(FrameError::Io)? == 0 {
            return Err(if index == 0 { FrameError::Empty } else { FrameError::Cut });
        }
        value |= u64::from(byte[0] & 0x7f) << (7 * index);
        if byte[0] & 0x80 == 0 {
            let minimal = index == 0 || byte[0] != 0;
            return match u32::try_from(value) {
                Ok(value) if minimal => usize::try_from(value).map_err(|_| FrameError::BadLength),
                _ => Err(FrameError::BadLength),
            };
        }
    }
    Err(FrameError::BadLength)
}

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Poll},
    };

    use super::*;
    use crate::buffers;

    /// Gives all that is asked for, and keeps how much was asked for when.
    struct Source {
        frame: Vec<u8>,
        given: usize,
        asked: Vec<(usize, usize)>,
    }

    impl AsyncRead for Source {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            let from = self.given;
            let count = buf.len().min(self.frame.len() - from);
            buf[..count].copy_from_slice(&self.frame[from..from + count]);
            self.asked.push((from, buf.len()));
            self.given += count;
            Poll::Ready(Ok(count))
        }
    }

    fn source(frame: Vec<u8>) -> Source {
        Source { frame, given: 0, asked: Vec::new() }
    }

    #[test]
    fn a_large_frame_is_read_in_few_steps_within_the_bound() {
        let payload: Vec<u8> = (0..2 << 20).map(|at: u32| (at % 251) as u8).collect();
        let mut io = source(encode_frame(&payload));
        let read = futures::executor::block_on(read_frame(&mut io, 2 << 20)).unwrap();
        assert!(read == payload && read.capacity() <= payload.len() / 4 * 5 + 64);
        let steps: Vec<_> = io.asked.iter().filter(|(_, asked)| *asked > 1).collect();
        assert!(steps.len() <= 5, "{steps:?}");
        assert!(steps.iter().all(|(given, asked)| given + asked <= GROWTH * given + FIRST_CHUNK + 5), "{steps:?}");
    }

    #[test]
    fn a_frame_in_used_memory_is_none_but_its_own() {
        let _running = buffers::Running::new();
        for (length, before) in [(100_000, 2 << 20), (2 << 20, 70_000), (300, 300)] {
            buffers::give(buffers::joined(&[&vec![0xaa; before]]));
            let payload: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
            let mut io = source(encode_frame(&payload));
            let read = futures::executor::block_on(read_frame(&mut io, 2 << 20)).unwrap();
            assert!(read == payload, "{length}");
            buffers::give(read);
            let mut io = source(encode_frame(&payload));
            io.frame.truncate(io.frame.len() - 1);
            assert!(matches!(futures::executor::block_on(read_frame(&mut io, 2 << 20)), Err(FrameError::Cut)));
        }
    }

    #[test]
    fn a_declared_length_alone_takes_no_more_than_the_first_step() {
        let mut frame = encode_frame(&vec![1; 2 << 20]);
        frame.truncate(4 + FIRST_CHUNK / 2);
        let mut io = source(frame);
        assert!(matches!(futures::executor::block_on(read_frame(&mut io, 2 << 20)), Err(FrameError::Cut)));
        assert!(io.asked.iter().all(|(_, asked)| *asked <= FIRST_CHUNK));
    }
}
