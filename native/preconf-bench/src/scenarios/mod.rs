//! The scenarios, by the names that both sides' programs know.

mod gossip;
mod life;
mod pair;
mod requests;

use crate::report::Options;

/// Name, and what it measures.
pub const NAMES: &[(&str, &str)] = &[
    ("commitments-200", "commitments per second, at most 200 in flight"),
    ("commitments-unpaced", "commitments per second, published as fast as they are taken"),
    ("commitments-1", "microseconds from publish to event, one in flight"),
    ("txlists-64k", "MB/s of 64 KiB txlists, 8 in flight"),
    ("txlists-128k", "MB/s of 128 KiB txlists, 1 in flight"),
    ("txlists-1m", "MB/s of 1 MiB txlists, 2 in flight"),
    ("txlists-2m", "MB/s of 2 MiB txlists, 1 in flight"),
    ("head-1", "microseconds of a head request, 1 in flight"),
    ("head-32", "head requests per second, 32 in flight"),
    ("pages-1", "responses of 256 verified commitments per second, 1 in flight"),
    ("pages-8", "the same, 8 in flight"),
    ("txlist-1m-1", "responses of a verified txlist of 1 MiB per second, 1 in flight"),
    ("txlist-1m-8", "the same, 8 in flight"),
    ("start", "milliseconds from building a node to its first peer"),
    ("idle", "processor, wake-ups and memory of one node over 30 s, connected to --peer; --count is the seconds"),
];

/// Runs one and prints its results.
///
/// # Errors
/// What went wrong: then nothing was measured.
pub fn run(options: &Options) -> Result<(), String> {
    const KIB: usize = 1 << 10;
    const MIB: usize = 1 << 20;
    match options.scenario.as_str() {
        "commitments-200" => gossip::commitments(options, 20_000, Some(200)),
        "commitments-unpaced" => gossip::commitments(options, 20_000, None),
        "commitments-1" => gossip::commitments(options, 3000, Some(1)),
        "txlists-64k" => gossip::txlists(options, 2400, 64 * KIB, 8),
        "txlists-128k" => gossip::txlists(options, 1000, 128 * KIB, 1),
        "txlists-1m" => gossip::txlists(options, 150, MIB, 2),
        "txlists-2m" => gossip::txlists(options, 75, 2 * MIB, 1),
        "head-1" => requests::heads(options, 5000, 1),
        "head-32" => requests::heads(options, 30_000, 32),
        "pages-1" => requests::pages(options, 200, 1),
        "pages-8" => requests::pages(options, 300, 8),
        "txlist-1m-1" => requests::txlists(options, 250, 1),
        "txlist-1m-8" => requests::txlists(options, 300, 8),
        "start" => life::start(options, 20),
        "idle" => life::idle(options, 30),
        other => Err(format!("no scenario '{other}'")),
    }
}
