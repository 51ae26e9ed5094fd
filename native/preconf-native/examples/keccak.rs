//! Which keccak-256 is the fastest here: `cargo run --release --example keccak`. Each hashes the sizes that matter (a
//! commitment, a small and a full txlist), in turns, and the median of the rounds counts.

use std::{hint::black_box, time::Instant};

use preconf_native::{abi::PcnStatus, exports::crypto::pcn_keccak256};
use sha3::Digest as _;
use tiny_keccak::Hasher as _;

const SIZES: [(usize, &str); 3] = [(350, "350 B"), (128 << 10, "128 KiB"), (2 << 20, "2 MiB")];
const ROUNDS: usize = 41;
/// Bytes hashed in one measurement, at least.
const WORK: usize = 4 << 20;

type Hash = fn(&[u8]) -> [u8; 32];

fn exported(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    // SAFETY: the data is readable for its length, the output writable for 32 bytes.
    let status = unsafe { pcn_keccak256(data.as_ptr(), data.len(), out.as_mut_ptr()) };
    assert_eq!(status, PcnStatus::Ok);
    out
}

fn keccak_asm(data: &[u8]) -> [u8; 32] {
    keccak_asm::Keccak256::digest(data).into()
}

fn sha3(data: &[u8]) -> [u8; 32] {
    sha3::Keccak256::digest(data).into()
}

fn tiny_keccak(data: &[u8]) -> [u8; 32] {
    let (mut hash, mut out) = (tiny_keccak::Keccak::v256(), [0; 32]);
    hash.update(data);
    hash.finalize(&mut out);
    out
}

fn main() {
    let candidates: [(&str, Hash); 4] =
        [("pcn_keccak256", exported), ("keccak-asm", keccak_asm), ("sha3", sha3), ("tiny-keccak", tiny_keccak)];
    println!("{:<14} {:>9} {:>12} {:>10}", "", "size", "ns", "MB/s");
    for (len, size) in SIZES {
        let data: Vec<u8> = (0..len).map(|i| (i * 31) as u8).collect();
        let expected = sha3(&data);
        let mut nanos = candidates.map(|_| Vec::with_capacity(ROUNDS));
        for _ in 0..ROUNDS {
            for ((name, hash), nanos) in candidates.iter().zip(&mut nanos) {
                assert_eq!(hash(&data), expected, "{name}");
                let times = (WORK / len).max(1);
                let started = Instant::now();
                for _ in 0..times {
                    black_box(hash(black_box(&data)));
                }
                nanos.push(started.elapsed().as_nanos() as f64 / times as f64);
            }
        }
        for ((name, _), mut nanos) in candidates.iter().zip(nanos) {
            nanos.sort_by(f64::total_cmp);
            let median = nanos[ROUNDS / 2];
            println!("{name:<14} {size:>9} {median:>12.0} {:>10.0}", len as f64 * 1000.0 / median);
        }
    }
}
