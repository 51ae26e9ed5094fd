//! One line of JSON per result, and what goes into it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What a scenario runs over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP, noise, yamux.
    Tcp,
    /// QUIC v1.
    Quic,
}

/// How a scenario is run.
#[derive(Clone)]
pub struct Options {
    /// Its name.
    pub scenario: String,
    /// The transport.
    pub transport: Transport,
    /// Who signs gossip.
    pub author: preconf_p2p::Author,
    /// How many messages, requests, starts or (idle) seconds; `None` is the scenario's own.
    pub count: Option<usize>,
    /// A node of another process, where the scenario wants only one in this.
    pub peer: Option<libp2p::Multiaddr>,
}

/// A result.
pub struct Outcome {
    /// What kind of result, when a scenario has several.
    pub part: Option<&'static str>,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// Times of single operations, in no order; may be empty.
    pub times: Vec<Duration>,
    /// Operations measured.
    pub count: usize,
    /// Payload bytes moved by them.
    pub bytes: u64,
    /// Messages that did not arrive.
    pub lost: usize,
    /// Messages or answers that arrived and are not where verified ones are kept.
    pub unverified: usize,
    /// Processor time of the process per wall time, 1 being a whole core.
    pub cores: Option<f64>,
}

impl Outcome {
    /// Prints it.
    pub fn print(mut self, options: &Options) {
        self.times.sort_unstable();
        let scenario = match self.part {
            Some(part) => format!("{}-{part}", options.scenario),
            None => options.scenario.clone(),
        };
        let line = json!({
            "side": "rust",
            "scenario": scenario,
            "transport": if options.transport == Transport::Tcp { "tcp" } else { "quic" },
            "author": if options.author == preconf_p2p::Author::Identity { "identity" } else { "ed25519" },
            "value": self.value,
            "unit": self.unit,
            "p50": percentile(&self.times, 50),
            "p99": percentile(&self.times, 99),
            "count": self.count,
            "bytes": self.bytes,
            "lost": self.lost,
            "unverified": self.unverified,
            "cores": self.cores,
        });
        println!("{line}");
    }
}

/// A percentile of sorted times in microseconds, the nearest rank; null when there are none.
pub fn percentile(sorted: &[Duration], percent: usize) -> Value {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(Value::Null, |time| json!(micros(*time)))
}

/// Microseconds with their fraction.
pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Wall and processor time since a moment.
pub struct Stopwatch {
    started: Instant,
    cpu: Option<Duration>,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self { cpu: crate::machine::processor_time(), started: Instant::now() }
    }

    /// Wall time so far, and cores used.
    pub fn stop(self) -> (Duration, Option<f64>) {
        let wall = self.started.elapsed();
        let used = crate::machine::processor_time().zip(self.cpu).map(|(now, before)| now.saturating_sub(before));
        (wall, used.map(|used| used.as_secs_f64() / wall.as_secs_f64()))
    }
}
