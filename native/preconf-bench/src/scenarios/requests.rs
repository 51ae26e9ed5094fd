//! Requests of one node, answered by the other from its store; every answer is verified and stored.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{
    gossip::{make_txlists, sign},
    pair::{Pair, wait},
};
use crate::{
    host::Seen,
    report::{Options, Outcome, Stopwatch, percentile},
    store::Bounds,
    wire::{Hash, PAGE, decode_txlist},
};

/// Txlists served in turn; the asking side keeps fewer, so that each is new to it.
const TXLISTS: usize = 64;
const TXLIST_LEN: usize = 1 << 20;

/// Heads.
///
/// # Errors
/// What failed.
pub fn heads(options: &Options, count: usize, in_flight: usize) -> Result<(), String> {
    let count = options.count.unwrap_or(count);
    let pair = Pair::connect(options, Bounds::default(), Bounds::default())?;
    fill(&pair, 1)?;
    let ask = |token: u64| pair.from.ask_head(pair.asked(), token);
    let flow = measure(&pair, count, in_flight, 1, &ask)?;
    print(options, pair, flow, Done { count, size: 64, unverified: 0 }, in_flight == 1)
}

/// Pages of 256 commitments, each asked for once.
///
/// # Errors
/// What failed.
pub fn pages(options: &Options, count: usize, in_flight: usize) -> Result<(), String> {
    let count = options.count.unwrap_or(count);
    let all = (count + warm_up(count)) * PAGE;
    let pair = Pair::connect(options, Bounds::default(), Bounds { commitments: all, ..Bounds::default() })?;
    fill(&pair, all)?;
    let ask = |token: u64| pair.from.ask_page(pair.asked(), token, token * PAGE as u64 + 1);
    let flow = measure(&pair, count, in_flight, PAGE, &ask)?;
    let kept = pair.from.store().bounds().commitments.min(all);
    let unverified = kept.saturating_sub(pair.from.store().held().0);
    print(options, pair, flow, Done { count, size: PAGE * crate::wire::COMMITMENT, unverified }, false)
}

/// Txlists of 1 MiB.
///
/// # Errors
/// What failed.
pub fn txlists(options: &Options, count: usize, in_flight: usize) -> Result<(), String> {
    let count = options.count.unwrap_or(count);
    let few = Bounds { txlist_bytes: TXLISTS / 4 * TXLIST_LEN, ..Bounds::default() };
    let many = Bounds { txlist_bytes: TXLISTS * TXLIST_LEN, ..Bounds::default() };
    let pair = Pair::connect(options, few, many)?;
    let mut hashes: Vec<Hash> = Vec::with_capacity(TXLISTS);
    for encoded in make_txlists(TXLISTS, TXLIST_LEN) {
        let (hash, _) = decode_txlist(&encoded).ok_or("undecodable")?;
        hashes.push(hash);
        pair.to.store().add_txlist(hash, encoded);
    }
    let ask = |token: u64| pair.from.ask_txlist(pair.asked(), token, hashes[token as usize % TXLISTS]);
    let flow = measure(&pair, count, in_flight, TXLIST_LEN, &ask)?;
    let kept = (few.txlist_bytes / TXLIST_LEN).min(count + warm_up(count));
    let unverified = kept.saturating_sub(pair.from.store().held().1);
    print(options, pair, flow, Done { count, size: TXLIST_LEN, unverified }, false)
}

/// Requests before those that count.
fn warm_up(count: usize) -> usize {
    count.div_ceil(4)
}

/// Gives the answering node commitments for the blocks from 1 on.
fn fill(pair: &Pair, count: usize) -> Result<(), String> {
    for commitment in sign(count) {
        let signer = commitment.signer().ok_or("a signature does not recover")?;
        pair.to.store().add_commitment(&commitment, commitment.preconfirmation_hash(), signer);
    }
    Ok(())
}

struct Flow {
    wall: Duration,
    times: Vec<Duration>,
    cores: Option<f64>,
}

type Ask<'a> = &'a dyn Fn(u64) -> Result<(), String>;

fn measure(pair: &Pair, count: usize, in_flight: usize, size: usize, ask: Ask<'_>) -> Result<Flow, String> {
    let warm_up = warm_up(count) as u64;
    flow(pair, 0..warm_up, in_flight, size, ask)?;
    flow(pair, warm_up..warm_up + count as u64, in_flight, size, ask)
}

/// Keeps so many requests in flight until all tokens are used and answered, each with `size` commitments or bytes.
fn flow(
    pair: &Pair,
    tokens: std::ops::Range<u64>,
    in_flight: usize,
    size: usize,
    ask: Ask<'_>,
) -> Result<Flow, String> {
    let mut times = Vec::with_capacity(tokens.clone().count());
    let mut started = HashMap::with_capacity(in_flight);
    let mut next = tokens.clone();
    let watch = Stopwatch::start();
    for token in next.by_ref().take(in_flight) {
        started.insert(token, Instant::now());
        ask(token)?;
    }
    while !started.is_empty() {
        let (token, got) = wait(&pair.from_events, |seen| match seen {
            Seen::Answered(token, got) => Some((*token, *got)),
            _ => None,
        })?;
        if got != size {
            return Err(format!("{got} instead of {size} in an answer"));
        }
        let since = started.remove(&token).ok_or("an answer nobody waits for")?;
        times.push(since.elapsed());
        if let Some(token) = next.next() {
            started.insert(token, Instant::now());
            ask(token)?;
        }
    }
    let (wall, cores) = watch.stop();
    Ok(Flow { wall, times, cores })
}

/// What was done.
struct Done {
    count: usize,
    size: usize,
    /// What the asking store does not hold and should, had all answers been verified.
    unverified: usize,
}

fn print(options: &Options, pair: Pair, flow: Flow, done: Done, latency: bool) -> Result<(), String> {
    pair.stop();
    let Done { count, size, unverified } = done;
    let Flow { wall, mut times, cores } = flow;
    times.sort_unstable();
    let (value, unit) = if latency {
        (percentile(&times, 50).as_f64().unwrap_or_default(), "us")
    } else {
        (count as f64 / wall.as_secs_f64(), "requests/s")
    };
    let bytes = (count * size) as u64;
    Outcome { part: None, value, unit, times, count, bytes, lost: 0, unverified, cores }.print(options);
    Ok(())
}
