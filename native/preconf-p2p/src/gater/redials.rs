//! How often an address was dialled lately.

use std::{collections::HashMap, time::Duration};

use libp2p::Multiaddr;
use tokio::time::Instant;

/// Addresses counted; beyond, the one whose period began first is forgotten.
const MAX_COUNTED: usize = 4096;

struct Dialled {
    times: u64,
    /// When the period began: at the first dial counted in it.
    from: Instant,
}

/// Counts dials per address. A period begins with an address' first dial and ends for good when it is over; Kona's is
/// prolonged by each dial. Without a threshold nothing is kept.
pub(super) struct Redials {
    threshold: Option<u64>,
    period: Duration,
    dialled: HashMap<Multiaddr, Dialled>,
    expired: Option<Instant>,
}

impl Redials {
    pub(super) fn new(threshold: Option<u64>, period: Duration) -> Self {
        // As Kona has it: 0 is no threshold.
        let threshold = threshold.filter(|threshold| *threshold > 0);
        Self { threshold, period, dialled: HashMap::new(), expired: None }
    }

    fn is_over(&self, dialled: &Dialled, now: Instant) -> bool {
        now.saturating_duration_since(dialled.from) >= self.period
    }

    /// Whether the address may not be dialled again within its period.
    pub(super) fn reached(&self, address: &Multiaddr, now: Instant) -> bool {
        let Some(threshold) = self.threshold else { return false };
        let dialled = self.dialled.get(address).filter(|dialled| !self.is_over(dialled, now));
        dialled.is_some_and(|dialled| dialled.times >= threshold)
    }

    /// The address is being dialled.
    pub(super) fn count(&mut self, address: &Multiaddr, now: Instant) {
        if self.threshold.is_none() {
            return;
        }
        match self.dialled.get(address) {
            Some(dialled) if !self.is_over(dialled, now) => {}
            Some(_) => drop(self.dialled.remove(address)),
            None => self.make_room(now),
        }
        self.dialled.entry(address.clone()).or_insert(Dialled { times: 0, from: now }).times += 1;
    }

    fn make_room(&mut self, now: Instant) {
        if self.dialled.len() < MAX_COUNTED {
            return;
        }
        self.forget_over(now);
        if self.dialled.len() >= MAX_COUNTED {
            let oldest =
                self.dialled.iter().min_by_key(|(_, dialled)| dialled.from).map(|(address, _)| address.clone());
            if let Some(oldest) = oldest {
                self.dialled.remove(&oldest);
            }
        }
    }

    fn forget_over(&mut self, now: Instant) {
        let period = self.period;
        self.dialled.retain(|_, dialled| now.saturating_duration_since(dialled.from) < period);
    }

    /// Forgets periods that are over; looks no more often than once a minute.
    pub(super) fn expire(&mut self, now: Instant) {
        const EVERY: Duration = Duration::from_secs(60);
        if self.expired.is_none_or(|last| now.saturating_duration_since(last) >= EVERY) {
            self.expired = Some(now);
            self.forget_over(now);
            self.dialled.shrink_to(MAX_COUNTED / 16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: usize) -> Multiaddr {
        format!("/ip4/10.0.{}.{}/tcp/1", n >> 8, n & 255).parse().unwrap()
    }

    #[test]
    fn a_period_is_not_prolonged_by_dials() {
        let (start, period) = (Instant::now(), Duration::from_secs(10));
        let mut redials = Redials::new(Some(2), period);
        for seconds in [0, 6] {
            let now = start + Duration::from_secs(seconds);
            assert!(!redials.reached(&address(1), now));
            redials.count(&address(1), now);
        }
        assert!(redials.reached(&address(1), start + Duration::from_secs(9)));
        assert!(!redials.reached(&address(2), start + Duration::from_secs(9)));
        assert!(!redials.reached(&address(1), start + period));
        redials.count(&address(1), start + period);
        assert!(!redials.reached(&address(1), start + period), "a new period counts from one");
    }

    #[test]
    fn no_threshold_keeps_nothing() {
        for threshold in [None, Some(0)] {
            let mut redials = Redials::new(threshold, Duration::from_secs(10));
            redials.count(&address(1), Instant::now());
            assert!(redials.dialled.is_empty() && !redials.reached(&address(1), Instant::now()));
        }
    }

    #[test]
    fn the_map_is_bounded_and_expires() {
        let (start, period) = (Instant::now(), Duration::from_secs(1000));
        let mut redials = Redials::new(Some(1), period);
        for n in 0..MAX_COUNTED + 3 {
            redials.count(&address(n), start + Duration::from_millis(n as u64));
        }
        assert_eq!(redials.dialled.len(), MAX_COUNTED);
        assert!(!redials.dialled.contains_key(&address(2)), "the oldest goes first");
        assert!(redials.dialled.contains_key(&address(3)));
        redials.expire(start);
        assert_eq!(redials.dialled.len(), MAX_COUNTED);
        redials.expire(start + period * 2);
        assert!(redials.dialled.is_empty() && redials.dialled.capacity() < MAX_COUNTED);
    }
}
