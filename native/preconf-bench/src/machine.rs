//! What the machine does: processor time and wake-ups of this process, and how fast hashing and recovery are here.

use std::{
    fs,
    hint::black_box,
    time::{Duration, Instant},
};

use secp256k1::SecretKey;
use serde_json::json;

use crate::{
    report::micros,
    wire::{self, Commitment},
};

/// Processor time of all threads of this process; `None` where the system does not tell.
pub fn processor_time() -> Option<Duration> {
    let nanos: u64 = tasks("schedstat")?.iter().filter_map(|text| first_number(text)).sum();
    Some(Duration::from_nanos(nanos))
}

/// How often threads of this process went to sleep by themselves and were woken; `None` where the system does not tell.
pub fn voluntary_switches() -> Option<u64> {
    Some(tasks("status")?.iter().filter_map(|text| field(text, "voluntary_ctxt_switches:")).sum())
}

/// Resident memory in bytes; `None` where the system does not tell.
pub fn resident() -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:").map(|kib| kib * 1024)
}

fn tasks(file: &str) -> Option<Vec<String>> {
    let threads = fs::read_dir("/proc/self/task").ok()?;
    // A thread that ends meanwhile has no file any more.
    Some(threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join(file)).ok()).collect())
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)).and_then(first_number)
}

/// Prints the machine's own speeds: a line of JSON with microseconds per operation.
pub fn print() {
    let secret = SecretKey::from_secret_bytes([7; 32]).expect("a valid key");
    let commitment = Commitment::sign(1, &secret);
    let signature = &commitment.bytes()[317..];
    let hash = wire::keccak(&[commitment.bytes()]);
    let (small, medium, large) = (vec![7; 350], vec![7; 128 << 10], vec![7; 2 << 20]);
    let line = json!({
        "side": "rust",
        "scenario": "machine",
        "recover": time(2000, || wire::recover_key(hash, black_box(signature))),
        "keccak_350": time(20_000, || wire::keccak(&[black_box(&small)])),
        "keccak_128k": time(100, || wire::keccak(&[black_box(&medium)])),
        "keccak_2m": time(10, || wire::keccak(&[black_box(&large)])),
    });
    println!("{line}");
}

/// The best of five averages, in microseconds: what the machine can do when it is left alone.
fn time<T>(count: u32, mut operation: impl FnMut() -> T) -> f64 {
    let average = |_| {
        let started = Instant::now();
        for _ in 0..count {
            black_box(operation());
        }
        micros(started.elapsed()) / f64::from(count)
    };
    (0..5).map(average).fold(f64::INFINITY, f64::min)
}
