//! Requests and responses: one frame each way on a fresh stream.

mod frame;

pub use frame::{Direction, FrameError, encode_frame, encode_length, frame_cap, read_frame};
