//! Bytes and texts that mean nothing, through the exported functions: a status each time, never a panic, never a read
//! or write outside what was given.

mod common;

use std::{ptr, str};

use common::{Host, bytes, config, empty_detail};
use preconf_native::{
    abi::{PcnBytes, PcnStatus},
    exports::{commands, crypto, wire},
};

const ROUNDS: usize = 20_000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.below(most + 1);
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// One of these, cut, spliced with another, or with a byte changed, inserted or taken out.
    fn mutated(&mut self, seeds: &[&[u8]]) -> Vec<u8> {
        let mut data = seeds[self.below(seeds.len())].to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(data.len() + 1);
            match self.below(5) {
                0 => data.truncate(at),
                1 => {
                    let other = seeds[self.below(seeds.len())];
                    data.truncate(at);
                    data.extend_from_slice(&other[self.below(other.len() + 1)..]);
                }
                2 if at < data.len() => data[at] = self.next() as u8,
                3 if at < data.len() => drop(data.remove(at)),
                _ => data.insert(at, self.next() as u8),
            }
        }
        data
    }
}

/// A buffer whose ends must not change.
fn guarded<T>(cap: usize, call: impl FnOnce(*mut u8) -> T) -> (T, Vec<u8>) {
    const MARK: u8 = 0xa5;
    let mut buffer = vec![MARK; cap + 32];
    // SAFETY: 16 bytes before and after the part that is handed out.
    let result = call(unsafe { buffer.as_mut_ptr().add(16) });
    assert!(buffer[..16].iter().chain(&buffer[cap + 16..]).all(|byte| *byte == MARK), "written outside the buffer");
    (result, buffer[16..cap + 16].to_vec())
}

fn check_multiaddr(text: &[u8], cap: usize) -> (PcnStatus, String) {
    let (mut len, mut detail) = (0, empty_detail());
    let (status, buffer) = guarded(cap, |buf| {
        // SAFETY: everything lives through the call.
        unsafe { wire::pcn_multiaddr_check(bytes(text), buf, cap, &mut len, &mut detail) }
    });
    assert!(detail.len as usize <= detail.text.len() && str::from_utf8(&detail.text[..detail.len as usize]).is_ok());
    let peer = if status == PcnStatus::Ok { &buffer[..len] } else { &[] };
    (status, str::from_utf8(peer).expect("base58").to_owned())
}

const PEER: &str = "16Uiu2HAmPWWiNzymQ3m8hzGCPzvE7JmVCC7PfB7GbzJWyyzcKx4Y";

#[test]
fn addresses_and_peer_ids_of_any_text() {
    let mut random = Random(1);
    let named = format!("/ip4/127.0.0.1/tcp/9000/p2p/{PEER}");
    let seeds: Vec<&[u8]> = vec![
        named.as_bytes(),
        b"/ip6/::1/udp/9000/quic-v1",
        b"/dns4/example.org/tcp/443/ws",
        b"/memory/12345",
        b"/ip4/1.2.3.4/tcp/1/p2p-circuit",
        PEER.as_bytes(),
    ];
    let (mut addresses, mut peers, mut refused) = (0, 0, 0);
    for round in 0..ROUNDS {
        let text = if round % 4 == 0 { random.bytes(80) } else { random.mutated(&seeds) };
        let (status, peer) = check_multiaddr(&text, 64);
        match status {
            PcnStatus::Ok => {
                addresses += 1;
                if !peer.is_empty() {
                    assert!(String::from_utf8_lossy(&text).contains(&peer), "{peer}: in another spelling");
                }
            }
            PcnStatus::InvalidArgument => refused += 1,
            // An identity hash of up to 64 bytes is a peer id too, and its text is longer.
            PcnStatus::BufferTooSmall => {}
            other => panic!("{other:?} for {:?}", String::from_utf8_lossy(&text)),
        }
        // SAFETY: everything lives through the call.
        match unsafe { wire::pcn_peer_id_check(bytes(&text), ptr::null_mut()) } {
            PcnStatus::Ok => peers += 1,
            PcnStatus::InvalidArgument => {}
            other => panic!("{other:?} for {:?}", String::from_utf8_lossy(&text)),
        }
    }
    println!("{addresses} addresses, {peers} peer ids, {refused} refused of {ROUNDS}");
    assert!(addresses > 500 && peers > 20 && refused > ROUNDS / 2, "the texts are one-sided");
}

#[test]
fn frames_of_any_bytes() {
    let mut random = Random(2);
    let frames: Vec<Vec<u8>> =
        [0, 1, 4, 127, 128, 129, 300].map(|len| preconf_p2p::reqresp::encode_frame(&vec![7; len])).into();
    let seeds: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let mut good = 0;
    for round in 0..ROUNDS {
        let data = if round % 4 == 0 { random.bytes(12) } else { random.mutated(&seeds) };
        let (protocol, response) = (random.below(4) as u8, random.below(3) as u8);
        let (mut offset, mut len) = (usize::MAX, usize::MAX);
        // SAFETY: everything lives through the call.
        let status = unsafe {
            let detail = ptr::null_mut();
            wire::pcn_frame_decode(protocol, response, data.as_ptr(), data.len(), &mut offset, &mut len, detail)
        };
        match status {
            PcnStatus::Ok => {
                assert!(protocol < 3 && response < 2);
                assert!((1..=5).contains(&offset) && offset + len <= data.len());
                // The same bytes again: there is one encoding of a length.
                let mut written = 0;
                let (encoded, frame) = guarded(len + 5, |buf| {
                    // SAFETY: the payload lies within the data; everything lives through the call.
                    unsafe { wire::pcn_frame_encode(data.as_ptr().add(offset), len, buf, len + 5, &mut written) }
                });
                assert_eq!((encoded, &frame[..written]), (PcnStatus::Ok, &data[..offset + len]));
                good += 1;
            }
            PcnStatus::InvalidArgument => assert_eq!((offset, len), (usize::MAX, usize::MAX)),
            other => panic!("{other:?} for {data:02x?}"),
        }
    }
    assert!(good > 1000, "{good} good frames of {ROUNDS}");
}

#[test]
fn signatures_keys_and_ids_of_any_bytes() {
    let mut random = Random(3);
    let (secret, hash) = ([7; 32], [9; 32]);
    let mut signed = [0; 65];
    // SAFETY: all have the lengths that the functions name.
    assert_eq!(unsafe { crypto::pcn_sign(hash.as_ptr(), secret.as_ptr(), signed.as_mut_ptr()) }, PcnStatus::Ok);
    let mut recovered = 0;
    for round in 0..2000 {
        let mut signature = signed;
        match round % 3 {
            0 => signature.iter_mut().for_each(|byte| *byte = random.next() as u8),
            1 => signature[random.below(65)] ^= 1 << random.below(8),
            _ => signature[64] = random.next() as u8,
        }
        let (status, _) = guarded(20, |out| {
            // SAFETY: all have the lengths that the functions name.
            unsafe { crypto::pcn_recover(hash.as_ptr(), signature.as_ptr(), out) }
        });
        assert!(matches!(status, PcnStatus::Ok | PcnStatus::Crypto), "{status:?}");
        recovered += usize::from(status == PcnStatus::Ok);
        let key = random.bytes(70);
        // SAFETY: as above.
        let status = unsafe { crypto::pcn_verify(hash.as_ptr(), signature.as_ptr(), bytes(&key)) };
        assert!(status != PcnStatus::Ok && status != PcnStatus::Panic, "{status:?}");
        let (data, topic) = (random.bytes(200), random.bytes(10));
        // SAFETY: as above.
        let (status, _) = guarded(20, |out| unsafe {
            wire::pcn_message_id(random.below(3) as u8, bytes(&topic), data.as_ptr(), data.len(), out)
        });
        assert!(matches!(status, PcnStatus::Ok | PcnStatus::InvalidArgument), "{status:?}");
    }
    assert!(recovered > 300, "{recovered} of 2000 recovered");
}

/// Commands to a running node with texts that a program might send by mistake: it takes or refuses each, and lives.
#[test]
fn commands_of_any_text_leave_a_node_whole() {
    let mut random = Random(4);
    let mut host = Host::start(&config());
    let own = host.address();
    let named = format!("{own}/p2p/{PEER}");
    let seeds: Vec<&[u8]> =
        vec![named.as_bytes(), b"/ip4/127.0.0.1/udp/1/quic-v1", b"/memory/7", PEER.as_bytes(), b"10.0.0.0/8"];
    for round in 0..2000_u64 {
        let text = random.mutated(&seeds);
        let (text, detail): (PcnBytes, _) = (bytes(&text), ptr::null_mut());
        // SAFETY: everything lives through the calls.
        let statuses = unsafe {
            [
                commands::pcn_node_dial(host.node, text, round, detail),
                commands::pcn_node_request(host.node, random.below(4) as u8, text, [1].as_ptr(), 1, round, 100, detail),
                commands::pcn_node_disconnect(host.node, text, detail),
                commands::pcn_node_set_blocked(host.node, text, random.below(3) as u8, detail),
                commands::pcn_node_block(host.node, text, random.below(3) as u8, detail),
                commands::pcn_node_protect(host.node, text, random.below(3) as u8, detail),
                commands::pcn_node_set_score(host.node, text, f64::from_bits(random.next()), detail),
            ]
        };
        for status in statuses {
            let expected = [PcnStatus::Ok, PcnStatus::InvalidArgument, PcnStatus::QueueFull];
            assert!(expected.contains(&status), "{status:?}");
        }
        if round % 64 == 0 {
            host.read(0);
        }
    }
    host.end();
}
