//! A node's start, and what it costs when nothing happens.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::pair::{config, listening, wait, wait_for_mesh};
use crate::{
    host::{Host, Seen},
    machine,
    report::{Options, Outcome, Stopwatch, percentile},
    store::Bounds,
};

/// Starts that do not count.
const WARM_UP: usize = 3;
/// From the connection to the beginning of the measurement.
const SETTLE: Duration = Duration::from_secs(3);

/// From building a node to its first peer.
///
/// # Errors
/// What failed.
pub fn start(options: &Options, count: usize) -> Result<(), String> {
    let count = options.count.unwrap_or(count);
    let (to, _to_events, address) = listening(config(options), Bounds::default())?;
    let mut times = Vec::with_capacity(count);
    for number in 0..WARM_UP + count {
        let started = Instant::now();
        let asked = preconf_p2p::Config { static_peers: vec![address.clone()], ..config(options) };
        let (host, events) = Host::start(asked, Bounds::default())?;
        wait(&events, |seen| matches!(seen, Seen::Connected).then_some(()))?;
        if number >= WARM_UP {
            times.push(started.elapsed());
        }
        host.stop();
    }
    to.stop();
    times.sort_unstable();
    let value = percentile(&times, 50).as_f64().unwrap_or_default() / 1e3;
    Outcome { part: None, value, unit: "ms", times, count, bytes: 0, lost: 0, unverified: 0, cores: None }
        .print(options);
    Ok(())
}

/// A node that nobody uses, connected to one of another process.
///
/// # Errors
/// They did not meet, or no peer was named.
pub fn idle(options: &Options, seconds: usize) -> Result<(), String> {
    let time = Duration::from_secs(options.count.unwrap_or(seconds) as u64);
    let peer = options.peer.clone().ok_or("idle takes --peer: the address of a node of another process")?;
    let (host, events, _) = listening(config(options), Bounds::default())?;
    host.node().dial(peer, 0).map_err(|error| error.to_string())?;
    wait(&events, |seen| matches!(seen, Seen::Connected).then_some(()))?;
    wait_for_mesh(&[&host])?;
    thread::sleep(SETTLE);
    let switches = machine::voluntary_switches();
    let watch = Stopwatch::start();
    thread::sleep(time);
    let (wall, cores) = watch.stop();
    let woken = machine::voluntary_switches().zip(switches).map(|(now, before)| now.saturating_sub(before));
    let resident = machine::resident();
    host.stop();
    let figures = [
        ("cpu", cores.map(|cores| cores * 100.0), "%"),
        ("wakeups", woken.map(|woken| woken as f64 / wall.as_secs_f64()), "wakeups/s"),
        ("rss", resident.map(|bytes| bytes as f64 / 1e6), "MB"),
    ];
    for (part, value, unit) in figures {
        let Some(value) = value else {
            eprintln!("idle-{part}: this system does not tell");
            continue;
        };
        let count = time.as_secs() as usize;
        Outcome { part: Some(part), value, unit, times: Vec::new(), count, bytes: 0, lost: 0, unverified: 0, cores }
            .print(options);
    }
    Ok(())
}
