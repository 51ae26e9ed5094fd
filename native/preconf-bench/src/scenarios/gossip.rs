//! Gossip from one node to the other. A message is in flight from its publish until the other's user has seen it.

use std::{
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::Receiver,
    },
    thread,
    time::{Duration, Instant},
};

use secp256k1::SecretKey;

use super::pair::{PATIENCE, Pair};
use crate::{
    host::{Host, Seen},
    report::{Options, Outcome, Stopwatch, percentile},
    store::Bounds,
    wire::{self, Commitment},
};

/// A publish may wait so long for room in the queues.
const DEADLINE: Duration = Duration::from_secs(30);

/// Signs commitments for the blocks from 1 on, on all cores.
pub fn sign(count: usize) -> Vec<Commitment> {
    let secret = SecretKey::from_secret_bytes([7; 32]).expect("a valid key");
    let blocks: Vec<u64> = (1..=count as u64).collect();
    let parts = blocks.chunks(count.div_ceil(crate::host::THREADS).max(1));
    thread::scope(|scope| {
        let secret = &secret;
        let signing: Vec<_> = parts
            .map(|part| {
                scope.spawn(move || part.iter().map(|block| Commitment::sign(*block, secret)).collect::<Vec<_>>())
            })
            .collect();
        signing.into_iter().flat_map(|part| part.join().expect("signing does not panic")).collect()
    })
}

/// `count` encoded txlists of so many bytes, incompressible, each starting with its number.
pub fn make_txlists(count: usize, len: usize) -> Vec<Vec<u8>> {
    let mut state = 0u64;
    let mut txlist: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 33) as u8
    })
    .take(len)
    .collect();
    (0..count as u64)
        .map(|number| {
            txlist[..8].copy_from_slice(&number.to_le_bytes());
            wire::encode_txlist(&wire::keccak(&[&txlist]), &txlist)
        })
        .collect()
}

/// Commitments, with at most `limit` in flight.
///
/// # Errors
/// What failed.
pub fn commitments(options: &Options, count: usize, limit: Option<usize>) -> Result<(), String> {
    let count = options.count.unwrap_or(count);
    let warm_up = count.div_ceil(2);
    let all = sign(warm_up + count);
    let mut pair = Pair::connect(options, Bounds::default(), Bounds::default())?;
    let publish = |host: &Host, number: usize| host.publish_commitment(&all[number], DEADLINE);
    let outcome = measure(&mut pair, warm_up, count, limit, &publish)?;
    let (value, unit) = match limit {
        Some(1) => (percentile(&outcome.sorted, 50).as_f64().unwrap_or_default(), "us"),
        _ => (outcome.per_second, "commitments/s"),
    };
    let kept = pair.to.store().bounds().commitments.min(warm_up + count);
    let missing = kept.saturating_sub(pair.to.store().held().0);
    finish(pair, outcome, Figure { value, unit, bytes: count * wire::COMMITMENT, count, missing }, options)
}

/// Txlists of `len` bytes, with at most `limit` in flight.
///
/// # Errors
/// What failed.
pub fn txlists(options: &Options, count: usize, len: usize, limit: usize) -> Result<(), String> {
    let count = options.count.unwrap_or(count);
    let warm_up = count.div_ceil(4);
    let all = make_txlists(warm_up + count, len);
    let mut pair = Pair::connect(options, Bounds::default(), Bounds::default())?;
    let publish = |host: &Host, number: usize| host.publish_txlist(&all[number], DEADLINE);
    let outcome = measure(&mut pair, warm_up, count, Some(limit), &publish)?;
    let value = outcome.per_second * len as f64 / 1e6;
    let kept = (pair.to.store().bounds().txlist_bytes / len).min(warm_up + count);
    let missing = kept.saturating_sub(pair.to.store().held().1);
    finish(pair, outcome, Figure { value, unit: "MB/s", bytes: count * len, count, missing }, options)
}

struct Figure {
    value: f64,
    unit: &'static str,
    bytes: usize,
    count: usize,
    /// What the receiving store does not hold and should, had all come and been verified.
    missing: usize,
}

fn finish(pair: Pair, flow: Flow, figure: Figure, options: &Options) -> Result<(), String> {
    let (sent, unsent) = pair.from.published();
    pair.stop();
    if unsent > 0 {
        return Err(format!("{sent} publishes were sent, {unsent} were not"));
    }
    let Figure { value, unit, bytes, count, missing } = figure;
    Outcome {
        part: None,
        value,
        unit,
        times: flow.sorted,
        count,
        bytes: bytes as u64,
        lost: flow.lost,
        unverified: missing.saturating_sub(flow.lost),
        cores: flow.cores,
    }
    .print(options);
    Ok(())
}

struct Flow {
    per_second: f64,
    sorted: Vec<Duration>,
    lost: usize,
    cores: Option<f64>,
}

type Publish<'a> = &'a (dyn Fn(&Host, usize) -> Result<(), String> + Sync);

fn measure(
    pair: &mut Pair,
    warm_up: usize,
    count: usize,
    limit: Option<usize>,
    publish: Publish<'_>,
) -> Result<Flow, String> {
    flow(pair, 0, warm_up, limit, publish)?;
    flow(pair, warm_up, count, limit, publish)
}

/// Publishes the messages `first..first + count` and waits until the other has seen all.
fn flow(
    pair: &mut Pair,
    first: usize,
    count: usize,
    limit: Option<usize>,
    publish: Publish<'_>,
) -> Result<Flow, String> {
    let window = Window::new(limit.unwrap_or(usize::MAX));
    let zero = Instant::now();
    let published: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
    let nanos = || u64::try_from(zero.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let watch = Stopwatch::start();
    let from = &pair.from;
    let (events, window, published) = (&mut pair.to_events, &window, &published);
    let (times, (wall, cores)) = thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let times = read(events, first, count, |number| {
                let took = Duration::from_nanos(nanos() - published[number].load(Ordering::Acquire));
                window.leave();
                took
            });
            window.open();
            (times, watch.stop())
        });
        for (number, at) in published.iter().enumerate() {
            window.enter();
            at.store(nanos(), Ordering::Release);
            publish(from, first + number)?;
        }
        let (times, stopped) = reader.join().map_err(|_| "the reader died".to_owned())?;
        Ok::<_, String>((times?, stopped))
    })?;
    let seen = times.len();
    let mut sorted = times;
    sorted.sort_unstable();
    Ok(Flow { per_second: seen as f64 / wall.as_secs_f64(), sorted, lost: count - seen, cores })
}

/// Reads events until all messages were seen, or none came for long. Times come from `seen`.
fn read(
    events: &mut Receiver<Seen>,
    first: usize,
    count: usize,
    seen: impl Fn(usize) -> Duration,
) -> Result<Vec<Duration>, String> {
    let mut times = Vec::with_capacity(count);
    while times.len() < count {
        let number = match events.recv_timeout(PATIENCE) {
            Ok(Seen::Commitment(block)) => block as usize - 1,
            Ok(Seen::TxList(number)) => number as usize,
            Ok(Seen::Failed(text)) => return Err(text),
            Ok(_) => continue,
            Err(_) => break,
        };
        times.push(seen(number - first));
    }
    Ok(times)
}

/// How many messages may be in flight.
struct Window {
    limit: usize,
    resume: usize,
    state: Mutex<InFlight>,
    room: Condvar,
}

#[derive(Default)]
struct InFlight {
    count: usize,
    open: bool,
}

impl Window {
    /// After it was full it takes new ones when a quarter is free, so that they go in groups.
    fn new(limit: usize) -> Self {
        Self { limit, resume: limit - (limit / 4).max(1), state: Mutex::default(), room: Condvar::new() }
    }

    fn enter(&self) {
        let mut in_flight = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if in_flight.count >= self.limit {
            while in_flight.count > self.resume && !in_flight.open {
                in_flight = self.room.wait(in_flight).unwrap_or_else(PoisonError::into_inner);
            }
        }
        in_flight.count += 1;
    }

    fn leave(&self) {
        let mut in_flight = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight.count -= 1;
        if in_flight.count == self.resume {
            self.room.notify_one();
        }
    }

    /// Nobody reads any more: whoever waits goes on, and finds out.
    fn open(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).open = true;
        self.room.notify_all();
    }
}
