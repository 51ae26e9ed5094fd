//! How peers see this node, where nothing better tells: two of different places must agree.

use std::{collections::HashMap, net::IpAddr};

use crate::gater::{Subnet, owned_subnet};

/// Places that must agree; a network may begin with three nodes.
const AGREE: usize = 2;
/// Places remembered; the oldest opinion gives way.
const MAX: usize = 64;

/// A subnet that somebody owns, or an address that is of none.
type Place = Result<Subnet, IpAddr>;

/// Opinions, one of each place a peer is at: who has many peers at one has no more of a say.
#[derive(Debug, Default)]
pub(crate) struct Votes {
    of: HashMap<Place, (IpAddr, u64)>,
    count: u64,
}

impl Votes {
    /// A peer at `from` sees this node at `seen`. Returns that address when enough agree on it now.
    pub(crate) fn add(&mut self, from: IpAddr, seen: IpAddr) -> Option<IpAddr> {
        let place = owned_subnet(from).ok_or(from);
        if self.of.len() >= MAX
            && !self.of.contains_key(&place)
            && let Some(oldest) = self.of.iter().min_by_key(|(_, (_, at))| *at).map(|(place, _)| *place)
        {
            self.of.remove(&oldest);
        }
        self.count += 1;
        self.of.insert(place, (seen, self.count));
        let same_family = |(opinion, _): &&(IpAddr, u64)| opinion.is_ipv4() == seen.is_ipv4();
        let (agree, all) = self
            .of
            .values()
            .filter(same_family)
            .fold((0, 0), |(agree, all), (opinion, _)| (agree + usize::from(*opinion == seen), all + 1));
        (agree >= AGREE && agree * 2 > all).then_some(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn two_places_must_agree_and_be_more_than_half() {
        let mut votes = Votes::default();
        let (mine, other) = (ip("8.8.8.8"), ip("8.8.4.4"));
        assert_eq!(votes.add(ip("1.1.1.1"), mine), None);
        assert_eq!(votes.add(ip("1.1.1.1"), mine), None, "one place has one voice");
        assert_eq!(votes.add(ip("2.2.2.2"), other), None);
        assert_eq!(votes.add(ip("3.3.3.3"), mine), Some(mine));
        assert_eq!(votes.add(ip("4.4.4.4"), other), None, "half is not more than half");
        assert_eq!(votes.add(ip("5.5.5.5"), ip("2606:4700::1")), None, "families are apart");
    }

    #[test]
    fn opinions_are_bounded() {
        let mut votes = Votes::default();
        for place in 0..1000_u32 {
            votes.add(IpAddr::from((place << 8 | 0x0500_0001).to_be_bytes()), ip("8.8.8.8"));
        }
        assert_eq!(votes.of.len(), MAX);
    }
}
