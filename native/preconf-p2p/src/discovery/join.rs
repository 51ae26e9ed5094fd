//! Reaching for the bootnodes, each by itself and for as long as the node runs: whoever is connected already, one that
//! is not reached may be the way to another part of the network.

use std::time::Duration;

use discv5::Enr;
use futures::future::join_all;
use tokio::time::{Instant, sleep};

use super::{CandidateSource, Found, bootnode::Bootnode, public_sockets, task::Finder};

/// The wait after the first try; it doubles with each further one,
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// up to this while nobody is connected,
const LONGEST_LONELY: Duration = Duration::from_secs(30);
/// and to this otherwise. One that was reached is looked at again after it.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How often it is looked whose time has come.
const LOOK: Duration = Duration::from_secs(1);
/// How often one that is only dialled is handed to those who dial.
const DIAL_AGAIN: Duration = Duration::from_secs(10);

/// What is known of one bootnode.
#[derive(Default)]
struct Standing {
    tried: Option<Instant>,
    /// Tries since it was reached while somebody was connected.
    tries: u32,
    up: bool,
    /// It is said that it can't be reached.
    said: bool,
}

/// What is worth a line.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Lost,
    /// Reached, after so many tries.
    Reached(u32),
}

impl Standing {
    fn is_due(&self, lonely: bool, now: Instant) -> bool {
        let wait = match (lonely, self.up) {
            (false, true) => LONGEST_WAIT,
            (false, false) => self.doubled().min(LONGEST_WAIT),
            (true, _) => self.doubled().min(LONGEST_LONELY),
        };
        self.tried.is_none_or(|at| now.saturating_duration_since(at) >= wait)
    }

    fn doubled(&self) -> Duration {
        FIRST_WAIT * 2u32.pow(self.tries.saturating_sub(1).min(9))
    }

    /// A try has ended; what there is to say.
    fn ended(&mut self, up: bool, lonely: bool, now: Instant) -> Option<Change> {
        self.tried = Some(now);
        self.tries = self.tries.saturating_add(1);
        self.up = up;
        let change = match (up, self.said) {
            (true, true) => Some(Change::Reached(self.tries)),
            (false, false) => Some(Change::Lost),
            _ => None,
        };
        self.said = !up;
        if up && !lonely {
            self.tries = 0;
        }
        change
    }
}

impl Finder {
    /// Reaches for each bootnode in its own time.
    pub(super) async fn stay_joined(&self) {
        let mut standings: Vec<_> = self.bootnodes.iter().map(|_| Standing::default()).collect();
        let mut dialled: Option<Instant> = None;
        loop {
            let now = Instant::now();
            if dialled.is_none_or(|at| now.saturating_duration_since(at) >= DIAL_AGAIN) {
                dialled = Some(now);
                self.hand_on_dialled();
            }
            let lonely = self.discv5.connected_peers() == 0;
            let due = self.bootnodes.iter().zip(&mut standings).filter(|(_, standing)| standing.is_due(lonely, now));
            join_all(due.map(|(node, standing)| self.look_at(node, standing))).await;
            sleep(LOOK).await;
        }
    }

    fn hand_on_dialled(&self) {
        for node in &self.bootnodes {
            if let Bootnode::Dial(peer, address) = node {
                let (addresses, source) = (vec![address.clone()], CandidateSource::Bootnode);
                self.hand_on(Found { peer: *peer, addresses, source });
            }
        }
    }

    async fn look_at(&self, node: &Bootnode, standing: &mut Standing) {
        if matches!(node, Bootnode::Dial(..)) {
            standing.tried = Some(Instant::now());
            standing.up = true;
            return;
        }
        let result = self.reach(node).await;
        let lonely = self.discv5.connected_peers() == 0;
        match (standing.ended(result.is_ok(), lonely, Instant::now()), result) {
            (Some(Change::Reached(tries)), _) => tracing::info!(bootnode = %node, tries, "bootnode reached"),
            (Some(Change::Lost), Err(error)) => tracing::warn!(bootnode = %node, error, "bootnode can't be reached"),
            (_, result) => tracing::trace!(bootnode = %node, ?result, "bootnode looked at"),
        }
    }

    async fn reach(&self, node: &Bootnode) -> Result<(), String> {
        let enr = match node {
            Bootnode::Record(enr) => self.newest(enr),
            Bootnode::Ask(address) => {
                let enr = self.discv5.request_enr(address.clone()).await.map_err(|error| format!("{error:?}"))?;
                self.offer(&enr);
                enr
            }
            Bootnode::Dial(..) => return Ok(()),
        };
        // Asked before the library is, which warns of each refusal anew.
        self.is_usable(&enr)?;
        // A record added is one not connected, so one that is there already stays as it is.
        if self.discv5.find_enr(&enr.node_id()).is_none()
            && let Err(error) = self.discv5.add_enr(enr.clone())
        {
            tracing::debug!(node = %enr.node_id(), error, "bootnode not taken into the table");
        }
        self.ask(enr, true).await.map_err(|error| format!("{error:?}"))
    }

    /// A newer record may be known from another node.
    fn newest(&self, configured: &Enr) -> Enr {
        let known = self.discv5.find_enr(&configured.node_id()).filter(|known| known.seq() > configured.seq());
        known.filter(|known| self.is_usable(known).is_ok()).unwrap_or_else(|| configured.clone())
    }

    fn is_usable(&self, enr: &Enr) -> Result<(), String> {
        if self.discv5.ip_mode().get_contactable_addr(enr).is_none() {
            Err("its record has no address of a family that discovery listens on".to_owned())
        } else if self.public_only && !public_sockets(enr) {
            Err("its record names an address that is not of the public internet, and this is no local network"
                .to_owned())
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When tries are made within ten minutes, each of which ends at once.
    fn tries(lonely: bool, up: impl Fn(u64) -> bool) -> (Vec<u64>, Vec<Change>) {
        let (start, mut standing) = (Instant::now(), Standing::default());
        let (mut times, mut changes) = (Vec::new(), Vec::new());
        for second in 0..=1200 {
            let now = start + Duration::from_secs(second);
            if standing.is_due(lonely, now) {
                times.push(second);
                changes.extend(standing.ended(up(second), lonely, now));
            }
        }
        (times, changes)
    }

    #[tokio::test]
    async fn one_that_is_down_is_tried_with_growing_pauses_whoever_is_connected_and_said_once() {
        let (times, changes) = tries(false, |_| false);
        assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111]);
        assert_eq!(changes, [Change::Lost]);
        let (times, changes) = tries(true, |_| false);
        assert_eq!(times[..7], [0, 1, 3, 7, 15, 31, 61]);
        assert_eq!(changes, [Change::Lost]);
    }

    #[tokio::test]
    async fn one_that_comes_and_goes_is_said_at_each_change() {
        let (times, changes) = tries(false, |second| !(10..=700).contains(&second));
        assert_eq!(times[..4], [0, 300, 301, 303], "one that is up is looked at now and then");
        assert_eq!(changes[0], Change::Lost);
        assert!(matches!(changes[1..], [Change::Reached(_)]), "{changes:?}");
    }

    #[tokio::test]
    async fn one_that_answers_and_does_not_join_is_not_asked_each_second() {
        let (times, changes) = tries(true, |_| true);
        assert!(times.len() < 50 && changes.is_empty(), "{times:?} {changes:?}");
    }
}
