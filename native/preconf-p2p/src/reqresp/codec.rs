//! The raw codec: bytes in, bytes out, one frame each way.

use std::io;

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};

use super::{Direction, FrameError, encode_frame, encode_length, frame_cap, read_frame};
use crate::{Protocol, buffers};

/// Payloads up to this are copied behind their length: one write is worth more.
const COPIED: usize = 4 << 10;

/// The codec of one protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameCodec {
    protocol: Protocol,
}

/// A peer's request as it was read. The library keeps a failed read to itself, so the codec never fails for what the
/// peer did wrong: the host is to know of it.
pub(crate) type ReadRequest = Result<Vec<u8>, FrameError>;

impl FrameCodec {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self { protocol }
    }

    async fn write<T: AsyncWrite + Unpin + Send>(
        &self,
        direction: Direction,
        io: &mut T,
        payload: Vec<u8>,
    ) -> io::Result<()> {
        let cap = frame_cap(self.protocol, direction);
        let length = payload.len();
        match u32::try_from(length) {
            Ok(prefix) if length <= cap => {
                let written = if length <= COPIED {
                    io.write_all(&encode_frame(&payload)).await
                } else {
                    let (prefix, used) = encode_length(prefix);
                    io.write_all(&prefix[..used]).await?;
                    io.write_all(&payload).await
                };
                buffers::give(payload);
                written?;
                io.flush().await
            }
            _ => Err(invalid(io::ErrorKind::InvalidInput, FrameError::OverCap { length, cap })),
        }
    }
}

/// Keeps a frame's error as it is, so that it can be told from a broken stream.
fn invalid(kind: io::ErrorKind, error: FrameError) -> io::Error {
    match error {
        FrameError::Io(error) => error,
        error => io::Error::new(kind, error),
    }
}

impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = ReadRequest;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<ReadRequest>
    where
        T: AsyncRead + Unpin + Send,
    {
        Ok(read_frame(io, frame_cap(self.protocol, Direction::Request)).await)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let cap = frame_cap(self.protocol, Direction::Response);
        read_frame(io, cap).await.map_err(|error| invalid(io::ErrorKind::InvalidData, error))
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: ReadRequest) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let request = request.map_err(|error| invalid(io::ErrorKind::InvalidInput, error))?;
        // A peer that takes no more requests drops the stream. That is a refusal, whether this side sees it while it writes or
        // while it reads.
        self.write(Direction::Request, io, request).await.map_err(|error| match error.kind() {
            kind @ (io::ErrorKind::WriteZero | io::ErrorKind::ConnectionReset) => invalid(kind, FrameError::Empty),
            _ => error,
        })
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.write(Direction::Response, io, response).await
    }
}
