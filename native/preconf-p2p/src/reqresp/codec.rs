//! The raw codec: bytes in, bytes out, one frame each way.

use std::io;

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};

use super::{Direction, FrameError, encode_length, frame_cap, read_frame};
use crate::Protocol;

/// The codec of one protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameCodec {
    protocol: Protocol,
}

impl FrameCodec {
    pub(crate) fn new(protocol: Protocol) -> Self {
        Self { protocol }
    }

    async fn read<T: AsyncRead + Unpin + Send>(&self, direction: Direction, io: &mut T) -> io::Result<Vec<u8>> {
        let cap = frame_cap(self.protocol, direction);
        read_frame(io, cap).await.map_err(|error| match error {
            FrameError::Io(error) => error,
            // Kept as it is, so that it can be told from a broken stream.
            error => io::Error::new(io::ErrorKind::InvalidData, error),
        })
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
            Ok(length) if payload.len() <= cap => {
                let (prefix, used) = encode_length(length);
                io.write_all(&prefix[..used]).await?;
                io.write_all(&payload).await?;
                io.flush().await
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, FrameError::OverCap { length, cap })),
        }
    }
}

impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        self.read(Direction::Request, io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        self.read(Direction::Response, io).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.write(Direction::Request, io, request).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.write(Direction::Response, io, response).await
    }
}
