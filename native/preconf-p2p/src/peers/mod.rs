//! Who is to be connected: how many, which, and who has to go. Numbers and lists only; sockets, clock and files are the
//! callers'.

use std::time::Duration;

mod candidates;
pub(crate) mod keep;
mod known;
mod prune;
pub(crate) mod race;

pub(crate) use candidates::Candidates;
pub(crate) use known::KnownGood;
pub(crate) use prune::{View, to_drop, to_free};
pub use race::Way;

/// Dials of candidates in flight at once while there are fewer peers than the minimum, or too few outbound ones,
const URGENT_DIALS: usize = 8;
/// and while only the target is missed.
const CALM_DIALS: usize = 2;

/// How many peers a node wants. Static and trusted peers count, but are never dropped for these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLimits {
    /// Candidates are dialled until so many are connected.
    pub target: usize,
    /// With fewer, dials are made without regard to the pauses between them; at most `target`.
    pub min: usize,
    /// With more, the worst are dropped until a tenth below it are left; at least `target`.
    pub max: usize,
    /// So many are to be connected by this node's own dials: whom an attacker chooses can't be all of them. At most
    /// `target`.
    pub min_outbound: usize,
}

impl Default for PeerLimits {
    fn default() -> Self {
        Self { target: 50, min: 8, max: 200, min_outbound: 8 }
    }
}

impl PeerLimits {
    /// What is wrong with them, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        let Self { target, min, max, min_outbound } = *self;
        if min > target || target > max {
            Some(format!("peers: min {min}, target {target} and max {max} do not ascend"))
        } else if min_outbound > target {
            Some(format!("peers: min_outbound {min_outbound} is over target {target}"))
        } else {
            None
        }
    }
}

/// How many peers are too many now: none up to `max`.
pub(crate) fn surplus(limits: &PeerLimits, connected: usize) -> usize {
    if connected > limits.max { connected - (limits.max - limits.max / 10).max(limits.target) } else { 0 }
}

/// How many inbound peers are too many, where bad ones can go: so that a tenth of the places under the cap is free.
pub(crate) fn short_of_places(cap: Option<u32>, inbound: usize) -> usize {
    let Some(cap) = cap.map(|cap| cap as usize) else { return 0 };
    (inbound + (cap / 10).max(1)).saturating_sub(cap)
}

/// How many peers there are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// Connected peers.
    pub(crate) connected: usize,
    /// Those of them that this node dialled.
    pub(crate) outbound: usize,
    /// Dials of candidates in flight.
    pub(crate) dialling: usize,
}

/// What is to be done about the number of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// Dials to make now.
    pub(crate) dials: usize,
    /// They must not wait.
    pub(crate) urgent: bool,
}

/// How many dials `census` calls for.
pub(crate) fn need(limits: &PeerLimits, census: Census) -> Need {
    let Census { connected, outbound, dialling } = census;
    let missing = limits.target.saturating_sub(connected);
    let outbound_missing = limits.min_outbound.saturating_sub(outbound);
    let urgent = connected < limits.min || outbound_missing > 0;
    let at_once = if urgent { URGENT_DIALS } else { CALM_DIALS };
    Need { dials: missing.max(outbound_missing).min(at_once).saturating_sub(dialling), urgent }
}

/// The wait before a candidate that failed so often is dialled again.
pub(crate) fn pause_after(failures: u32) -> Duration {
    (Duration::from_secs(1) * 2u32.pow(failures.min(10))).min(Duration::from_secs(900))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PeerLimits = PeerLimits { target: 10, min: 4, max: 20, min_outbound: 3 };

    fn dials(connected: usize, outbound: usize, dialling: usize) -> (usize, bool) {
        let need = need(&LIMITS, Census { connected, outbound, dialling });
        (need.dials, need.urgent)
    }

    #[test]
    fn dials_follow_the_need() {
        assert_eq!(dials(0, 0, 0), (8, true), "many at once with nobody");
        assert_eq!(dials(0, 0, 5), (3, true), "those in flight count");
        assert_eq!(dials(0, 0, 9), (0, true));
        assert_eq!(dials(5, 5, 0), (2, false), "calm above the minimum");
        assert_eq!(dials(9, 9, 0), (1, false));
        assert_eq!(dials(9, 9, 1), (0, false));
        assert_eq!(dials(10, 10, 0), (0, false), "nothing at the target");
        assert_eq!(dials(15, 3, 0), (0, false));
        assert_eq!(dials(20, 1, 0), (2, true), "the floor of outbound peers holds even when full");
    }

    #[test]
    fn above_the_maximum_a_tenth_has_to_go_and_the_target_stays() {
        assert_eq!(surplus(&LIMITS, 20), 0);
        assert_eq!(surplus(&LIMITS, 21), 3);
        assert_eq!(surplus(&PeerLimits { target: 20, ..LIMITS }, 21), 1);
    }

    #[test]
    fn a_tenth_of_the_inbound_places_is_to_be_free() {
        assert_eq!(short_of_places(Some(110), 99), 0);
        assert_eq!(short_of_places(Some(110), 100), 1);
        assert_eq!(short_of_places(Some(110), 110), 11);
        assert_eq!(short_of_places(Some(4), 4), 1);
        assert_eq!(short_of_places(Some(4), 3), 0);
        assert_eq!(short_of_places(None, 1000), 0);
    }

    #[test]
    fn limits_that_contradict_each_other_are_told() {
        assert_eq!(PeerLimits::default().fault(), None);
        assert!(PeerLimits { min: 11, ..LIMITS }.fault().is_some());
        assert!(PeerLimits { max: 9, ..LIMITS }.fault().is_some());
        assert!(PeerLimits { min_outbound: 11, ..LIMITS }.fault().is_some());
    }

    #[test]
    fn pauses_grow_to_a_cap() {
        assert_eq!(pause_after(0), Duration::from_secs(1));
        assert_eq!(pause_after(1), Duration::from_secs(2));
        assert_eq!(pause_after(u32::MAX), Duration::from_secs(900));
    }
}
