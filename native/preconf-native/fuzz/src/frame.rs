//! A request's or an answer's frame as it comes from a peer, in pieces of any size: what is read is what an independent reading of
//! the same bytes says, nothing is read past the frame, and the C ABI's decoder agrees.

use std::ptr;

use futures::executor::block_on;
use preconf_native::{abi::PcnStatus, exports::wire};
use preconf_p2p::{
    Protocol,
    fuzzing::keeping_buffers,
    reqresp::{Direction, FrameError, frame_cap, read_frame},
};

use crate::{pieces::Pieces, reached};

/// What its inputs come to.
pub(crate) const ENDS: &[&str] = &["whole", "large", "empty", "cut", "bad length", "over the cap"];

/// What a frame at the start of `data` is: its payload and what follows, or how reading it must fail.
enum Expected<'a> {
    Frame(&'a [u8], &'a [u8]),
    Empty,
    Cut,
    BadLength,
    OverCap,
}

fn expected(data: &[u8], cap: usize) -> Expected<'_> {
    if data.is_empty() {
        return Expected::Empty;
    }
    let Some(last) = data.iter().take(5).position(|byte| byte & 0x80 == 0) else {
        return if data.len() < 5 { Expected::Cut } else { Expected::BadLength };
    };
    let length = data[..=last].iter().rev().fold(0u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
    match usize::try_from(length) {
        _ if length > u64::from(u32::MAX) || (last > 0 && data[last] == 0) => Expected::BadLength,
        Ok(length) if length > cap => Expected::OverCap,
        Ok(length) if length > data.len() - last - 1 => Expected::Cut,
        Ok(length) => {
            let (payload, rest) = data[last + 1..].split_at(length);
            Expected::Frame(payload, rest)
        }
        Err(_) => Expected::OverCap,
    }
}

/// The first byte chooses protocol and direction, the second the size of pieces, the third how often the rest comes: large frames are
/// read in several steps. All of that is the stream.
pub(crate) fn run(data: &[u8]) {
    let [kind, most, times, rest @ ..] = data else { return };
    // As in a node that runs: memory of earlier frames is used again.
    keeping_buffers();
    let data = &rest.repeat(usize::from(times % 64) + 1)[..];
    let (protocol, number) = match kind % 3 {
        0 => (Protocol::Head, 0),
        1 => (Protocol::Commitments, 1),
        _ => (Protocol::TxList, 2),
    };
    let response = kind / 3 % 2;
    let direction = if response == 1 { Direction::Response } else { Direction::Request };
    let cap = frame_cap(protocol, direction);
    let mut io = Pieces::new(data, (usize::from(*most) + 1) << (most % 8), None);
    let read = block_on(read_frame(&mut io, cap));
    let expected = expected(data, cap);
    match (&read, &expected) {
        (Ok(read), Expected::Frame(payload, rest)) => {
            assert_eq!(read, payload);
            assert_eq!(io.left, *rest, "read past the frame");
            reached(if payload.len() > 64 << 10 { "large" } else { "whole" });
        }
        (Err(FrameError::Empty), Expected::Empty) => reached("empty"),
        (Err(FrameError::Cut), Expected::Cut) => reached("cut"),
        (Err(FrameError::BadLength), Expected::BadLength) => reached("bad length"),
        (Err(FrameError::OverCap { length, cap: told }), Expected::OverCap) => {
            assert!(length > told && *told == cap);
            reached("over the cap");
        }
        _ => panic!("{read:?} of {data:02x?}"),
    }

    let (mut offset, mut len) = (usize::MAX, usize::MAX);
    // SAFETY: everything lives through the call.
    let status = unsafe {
        wire::pcn_frame_decode(number, response, data.as_ptr(), data.len(), &mut offset, &mut len, ptr::null_mut())
    };
    match expected {
        Expected::Frame(payload, rest) => {
            assert_eq!((status, &data[offset..offset + len]), (PcnStatus::Ok, payload));
            encode(payload, &data[..data.len() - rest.len()]);
        }
        _ => assert_eq!((status, offset, len), (PcnStatus::InvalidArgument, usize::MAX, usize::MAX)),
    }
}

/// There is one encoding of a payload, and a buffer too small for it is left alone.
fn encode(payload: &[u8], frame: &[u8]) {
    let mut buffer = vec![0xa5; frame.len()];
    for cap in [frame.len() - 1, frame.len()] {
        let mut needed = 0;
        // SAFETY: everything lives through the call.
        let status =
            unsafe { wire::pcn_frame_encode(payload.as_ptr(), payload.len(), buffer.as_mut_ptr(), cap, &mut needed) };
        assert_eq!(needed, frame.len());
        if cap < frame.len() {
            assert!(status == PcnStatus::BufferTooSmall && buffer.iter().all(|byte| *byte == 0xa5));
        } else {
            assert!(status == PcnStatus::Ok && buffer == frame);
        }
    }
}
