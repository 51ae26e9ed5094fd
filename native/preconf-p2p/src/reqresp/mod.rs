//! Requests and responses: one frame each way on a fresh stream.

use std::io;

use libp2p::{
    StreamProtocol,
    request_response::{self, InboundFailure, OutboundFailure, ProtocolSupport},
};

use crate::{Config, Protocol, RequestError, StartError, protocol_name};

mod codec;
mod frame;

pub(crate) use codec::{FrameCodec, ReadRequest};
pub use frame::{Direction, FrameError, encode_frame, encode_length, frame_cap, read_frame};

pub(crate) type Behaviour = request_response::Behaviour<FrameCodec>;
pub(crate) type Event = request_response::Event<ReadRequest, Vec<u8>>;

/// The behaviour of one protocol.
pub(crate) fn behaviour(config: &Config, protocol: Protocol) -> Result<Behaviour, StartError> {
    let name = StreamProtocol::try_from_owned(protocol_name(config.chain_id, protocol))
        .map_err(|error| StartError::Config(error.to_string()))?;
    let limits = request_response::Config::default()
        .with_request_timeout(config.request_timeout)
        .with_max_concurrent_streams(config.max_concurrent_streams);
    Ok(Behaviour::with_codec(FrameCodec::new(protocol), [(name, ProtocolSupport::Full)], limits))
}

/// What an I/O error means: the frame's own errors travel inside.
fn io_failure(error: &io::Error) -> RequestError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<FrameError>()) {
        Some(error) => frame_failure(error),
        None => RequestError::Io,
    }
}

/// What a frame that could not be read means.
pub(crate) fn frame_failure(error: &FrameError) -> RequestError {
    match error {
        FrameError::Empty => RequestError::Refused,
        FrameError::BadLength | FrameError::OverCap { .. } => RequestError::BadFrame,
        FrameError::Cut | FrameError::Io(_) => RequestError::Io,
    }
}

/// The typed cause of a failed request of this node.
pub(crate) fn outbound_failure(error: &OutboundFailure) -> RequestError {
    match error {
        OutboundFailure::DialFailure => RequestError::DialFailed,
        OutboundFailure::Timeout => RequestError::Timeout,
        OutboundFailure::ConnectionClosed => RequestError::ConnectionClosed,
        OutboundFailure::UnsupportedProtocols => RequestError::UnsupportedProtocol,
        // The transport does not wait for the protocol to be accepted, and says so when it is not.
        OutboundFailure::Io(error) if error.kind() == io::ErrorKind::Unsupported => RequestError::UnsupportedProtocol,
        // The library's only other error on this path: the connection has no room for another stream.
        OutboundFailure::Io(error) if error.kind() == io::ErrorKind::Other && is_full(error) => RequestError::Busy,
        OutboundFailure::Io(error) => io_failure(error),
    }
}

fn is_full(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.to_string() == "max sub-streams reached")
}

/// The typed cause of an inbound request that could not be answered.
pub(crate) fn inbound_failure(error: &InboundFailure) -> RequestError {
    match error {
        InboundFailure::Timeout => RequestError::Timeout,
        InboundFailure::ConnectionClosed => RequestError::ConnectionClosed,
        InboundFailure::UnsupportedProtocols => RequestError::UnsupportedProtocol,
        InboundFailure::ResponseOmission => RequestError::Refused,
        InboundFailure::Io(error) => io_failure(error),
    }
}
