//! Says that connections are refused: once when it begins and once when it has ended, not each time.

use std::{fmt, time::Duration};

use tokio::time::Instant;

use crate::stats::{Counters, Gauge};

/// Refusals for one reason have ended when none came for this long.
const QUIET: Duration = Duration::from_secs(60);

/// Why connections are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    BlockedInbound,
    BlockedDial,
    Redial,
    PendingIncoming,
    PendingOutgoing,
    EstablishedIncoming,
    EstablishedOutgoing,
    EstablishedTotal,
    EstablishedPerPeer,
    EstablishedPerSubnet,
    Memory,
}

impl Reason {
    const ALL: [Self; 11] = [
        Self::BlockedInbound,
        Self::BlockedDial,
        Self::Redial,
        Self::PendingIncoming,
        Self::PendingOutgoing,
        Self::EstablishedIncoming,
        Self::EstablishedOutgoing,
        Self::EstablishedTotal,
        Self::EstablishedPerPeer,
        Self::EstablishedPerSubnet,
        Self::Memory,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::BlockedInbound => "inbound connections of blocked peers or addresses are refused",
            Self::BlockedDial => "dials of blocked peers or addresses are refused",
            Self::Redial => "dials are refused: the address was dialled as often as the dial period allows",
            Self::PendingIncoming => "inbound connections are refused: too many are in their handshake",
            Self::PendingOutgoing => "dials are refused: too many are in flight",
            Self::EstablishedIncoming => "inbound connections are refused: too many are established",
            Self::EstablishedOutgoing => "outbound connections are refused: too many are established",
            Self::EstablishedTotal => "connections are refused: too many are established",
            Self::EstablishedPerPeer => "connections are refused: too many with one peer are established",
            Self::EstablishedPerSubnet => "inbound connections are refused: too many of one subnet are established",
            Self::Memory => "connections are refused: the process is over its memory ceiling",
        }
    }

    pub(super) fn counter(self, counters: &Counters) -> &Gauge {
        match self {
            Self::BlockedInbound => &counters.inbound_blocked,
            Self::BlockedDial | Self::Redial => &counters.dials_blocked,
            _ => &counters.connections_limited,
        }
    }
}

#[derive(Clone, Copy)]
struct Spell {
    last: Instant,
    count: u64,
}

/// One voice for each reason.
#[derive(Default)]
pub(super) struct Voices([Option<Spell>; Reason::ALL.len()]);

impl Voices {
    pub(super) fn refused(&mut self, reason: Reason, what: &dyn fmt::Display, now: Instant) {
        if self.begins(reason, now) {
            tracing::warn!(first = %what, "{}", reason.text());
        }
    }

    pub(super) fn tick(&mut self, now: Instant) {
        for reason in Reason::ALL {
            if let Some(refused) = self.ended(reason, now) {
                tracing::info!(refused, "over for now: {}", reason.text());
            }
        }
    }

    /// Counts a refusal; whether it is the first for a while.
    fn begins(&mut self, reason: Reason, now: Instant) -> bool {
        let spell = self.0[reason as usize].get_or_insert(Spell { last: now, count: 0 });
        *spell = Spell { last: now, count: spell.count + 1 };
        spell.count == 1
    }

    /// How many there were, once none came for a while.
    fn ended(&mut self, reason: Reason, now: Instant) -> Option<u64> {
        let over = |spell: &mut Spell| now.saturating_duration_since(spell.last) >= QUIET;
        self.0[reason as usize].take_if(over).map(|spell| spell.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_said_once_when_they_begin_and_once_when_they_have_ended() {
        let (start, mut voices) = (Instant::now(), Voices::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        let said = (0..1000).filter(|n| voices.begins(Reason::Redial, at(*n))).count();
        assert_eq!(said, 1);
        assert!(voices.begins(Reason::PendingIncoming, at(0)), "each reason has its own voice");
        assert_eq!(voices.ended(Reason::Redial, at(1050)), None);
        assert_eq!(voices.ended(Reason::Redial, at(1060)), Some(1000));
        assert_eq!(voices.ended(Reason::Redial, at(1060)), None);
        assert!(voices.begins(Reason::Redial, at(1061)));
        assert!(Reason::ALL.iter().enumerate().all(|(index, reason)| *reason as usize == index));
    }
}
