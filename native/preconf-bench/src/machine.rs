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
///
/// Of threads that live: one that ended takes its count along.
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

/// What `print` can be asked for alone.
pub const FIGURES: &[&str] = &["sign", "recover", "keccak350", "keccak128k", "keccak2m", "page"];

/// Prints the machine's own speeds, all or those named: a line of JSON with microseconds per operation. Signing and recovery are
/// libsecp256k1 alone: the hash is there already, and no address is made. A page is the first write to one of 4 KiB that the process
/// did not have.
///
/// # Errors
/// A name is none of them.
pub fn print(only: &[&str]) -> Result<(), String> {
    if let Some(unknown) = only.iter().find(|name| !FIGURES.contains(name)) {
        return Err(format!("'{unknown}' is none of {}", FIGURES.join(", ")));
    }
    let secret = SecretKey::from_secret_bytes([7; 32]).expect("a valid key");
    let commitment = Commitment::sign(1, &secret);
    let signature = &commitment.bytes()[317..];
    let hash = wire::keccak(&[commitment.bytes()]);
    let (small, medium, large) = (vec![7; 350], vec![7; 128 << 10], vec![7; 2 << 20]);
    let mut figures = serde_json::Map::new();
    for name in FIGURES.iter().filter(|name| only.is_empty() || only.contains(name)) {
        let micros = match *name {
            "sign" => time(1000, || wire::sign(black_box(hash), black_box(&secret))),
            "recover" => time(1000, || wire::recover_key(black_box(hash), black_box(signature))),
            "keccak350" => time(10_000, || wire::keccak(&[black_box(&small)])),
            "keccak128k" => time(100, || wire::keccak(&[black_box(&medium)])),
            "keccak2m" => time(8, || wire::keccak(&[black_box(&large)])),
            _ => time(1, touch_pages) / PAGES as f64,
        };
        figures.insert((*name).to_owned(), json!(micros));
    }
    println!("{}", json!(figures));
    Ok(())
}

const PAGE: usize = 4096;
const PAGES: usize = 1024;
/// More than an allocator keeps.
const MEMORY: usize = 64 << 20;

/// A byte written to each page of memory that the process did not have before: what a payload costs when no used memory is left for it. On
/// some virtual machines that is many times what the copy takes.
fn touch_pages() {
    let mut memory = vec![0_u8; MEMORY];
    memory[..PAGE * PAGES].iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    black_box(memory);
}

/// The median of five averages, in microseconds, after one that does not count.
fn time<T>(count: u32, mut operation: impl FnMut() -> T) -> f64 {
    let mut average = || {
        let started = Instant::now();
        for _ in 0..count {
            black_box(operation());
        }
        micros(started.elapsed()) / f64::from(count)
    };
    average();
    let mut averages: [f64; 5] = std::array::from_fn(|_| average());
    averages.sort_unstable_by(f64::total_cmp);
    averages[2]
}
