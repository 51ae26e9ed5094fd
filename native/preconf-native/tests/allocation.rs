//! What a peer declares is not allocated: the largest single allocation while its bytes are read.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use futures::FutureExt;
use preconf_p2p::{
    MessageIdMode, Protocol,
    gossip::message_id,
    reqresp::{Direction, FrameError, encode_length, frame_cap, read_frame},
};

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

struct Watched;

// SAFETY: the system's allocator does everything.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(layout.size())));
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static WATCHED: Watched = Watched;

/// The result, and the largest allocation that it took.
fn watched<T>(work: impl FnOnce() -> T) -> (T, usize) {
    LARGEST.set(0);
    let result = work();
    (result, LARGEST.get())
}

fn read(stream: &[u8], cap: usize) -> (Result<Vec<u8>, FrameError>, usize) {
    watched(|| read_frame(&mut &stream[..], cap).now_or_never().expect("a slice never waits"))
}

#[test]
fn a_length_over_the_cap_allocates_nothing() {
    for protocol in Protocol::ALL {
        for direction in [Direction::Request, Direction::Response] {
            let cap = frame_cap(protocol, direction);
            for length in [cap as u32 + 1, 1 << 30, u32::MAX] {
                let (prefix, used) = encode_length(length);
                let mut stream = prefix[..used].to_vec();
                stream.resize(1 << 20, 0);
                let (result, largest) = read(&stream, cap);
                assert!(matches!(result, Err(FrameError::OverCap { length: told, .. }) if told == length as usize));
                assert_eq!(largest, 0, "{protocol:?} {direction:?} {length}");
            }
        }
    }
}

#[test]
fn a_frame_takes_memory_as_it_comes() {
    let cap = frame_cap(Protocol::TxList, Direction::Response);
    let (prefix, used) = encode_length(cap as u32);
    for came in [0, 1, 1000, 20_000, 300_000, cap - 1] {
        let mut stream = prefix[..used].to_vec();
        stream.resize(used + came, 0);
        let (result, largest) = read(&stream, cap);
        assert!(matches!(result, Err(FrameError::Cut)));
        assert!(largest <= 4 * came + (16 << 10), "{largest} bytes for {came} that came");
    }
}

#[test]
fn a_message_id_takes_no_memory_for_what_a_payload_claims() {
    // Six bytes that claim to be 4 GiB of snappy, and a txlist whose hash happens to claim as much.
    let mut txlist = vec![0xff, 0xff, 0xff, 0xff, 0x0f];
    txlist.resize(100_000, 0x41);
    for data in [&[0xff, 0xff, 0xff, 0xff, 0x0f, 0][..], &txlist] {
        let (_, largest) = watched(|| message_id(MessageIdMode::Kona, "", data));
        assert!(largest < 1024, "{largest}");
    }
    // A bomb: three bytes make 64. What is over the gossip limit is not unpacked.
    let len: u32 = 64 * 200_000 + 1;
    let mut bomb = vec![len as u8 | 0x80, (len >> 7) as u8 | 0x80, (len >> 14) as u8 | 0x80, (len >> 21) as u8, 0, 7];
    bomb.extend([63 << 2 | 2, 1, 0].repeat(200_000));
    let (_, largest) = watched(|| message_id(MessageIdMode::Kona, "", &bomb));
    assert!(largest < 1024, "{largest}");
}
