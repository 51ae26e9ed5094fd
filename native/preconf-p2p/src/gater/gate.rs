//! The gate itself: what is blocked, protected and counted; shared by the behaviour, the transport and the handles.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol, swarm::ConnectionId};
use tokio::time::Instant;

use super::{
    DialRefusal, GaterConfig, GaterMode, KonaGater, Subnet, Target,
    kona::{ip_in, peer_in},
    memory::Memory,
    redials::Redials,
    voice::{Reason, Voices},
};
use crate::{SubmitError, stats::Counters};

/// Blocked targets, and as many protected peers; beyond, one is refused.
pub const MAX_TARGETS: usize = 4096;
/// Where dials ended whose connections are not yet told; forgotten when there are more.
const MAX_REACHED: usize = 1024;

enum Mode {
    Default(Redials),
    Kona {
        gater: Box<KonaGater>,
        /// The dials that [`KonaGater::remove_dial`] must end.
        dials: HashMap<ConnectionId, PeerId>,
    },
}

struct State {
    mode: Mode,
    targets: HashSet<Target>,
    subnets: Vec<Subnet>,
    protected: HashSet<PeerId>,
    /// The address at which a peer was reached: a connection dialled by name does not tell it.
    reached: HashMap<PeerId, IpAddr>,
    voices: Voices,
}

/// All rules of a node on who is dialled and who may connect.
pub(crate) struct Gate {
    state: Mutex<State>,
    memory: Memory,
    counters: Arc<Counters>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    /// The rules as configured; `always` are peers protected beside the configured ones.
    pub(crate) fn new(
        config: &GaterConfig,
        always: impl Iterator<Item = PeerId>,
        memory_ceiling: Option<u64>,
        counters: Arc<Counters>,
    ) -> Result<Self, SubmitError> {
        let (redialing, period) = (config.peer_redialing, config.dial_period);
        let mode = match config.mode {
            GaterMode::Default => Mode::Default(Redials::new(redialing, period)),
            GaterMode::Kona => Mode::Kona { gater: Box::new(KonaGater::new(redialing, period)), dials: HashMap::new() },
        };
        let state = State {
            mode,
            targets: HashSet::new(),
            subnets: Vec::new(),
            protected: HashSet::new(),
            reached: HashMap::new(),
            voices: Voices::default(),
        };
        let gate = Self { state: Mutex::new(state), memory: Memory::new(memory_ceiling), counters };
        for target in &config.blocked {
            gate.set_blocked(*target, true)?;
        }
        for peer in config.protected_peers.iter().copied().chain(always) {
            gate.set_protected(peer, true)?;
        }
        Ok(gate)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No change under this lock can be left half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks a target or lifts its block; holds from the next dial and the next inbound connection on.
    pub(crate) fn set_blocked(&self, target: Target, blocked: bool) -> Result<(), SubmitError> {
        self.lock().set_blocked(target, blocked)
    }

    /// Protects a peer or lifts that.
    pub(crate) fn set_protected(&self, peer: PeerId, protected: bool) -> Result<(), SubmitError> {
        let mut state = self.lock();
        if !protected {
            state.protected.remove(&peer);
        } else if state.protected.len() < MAX_TARGETS || state.protected.contains(&peer) {
            state.protected.insert(peer);
        } else {
            return Err(SubmitError::Full);
        }
        if let Mode::Kona { gater, .. } = &mut state.mode {
            gater.set_protected(peer, protected);
        }
        Ok(())
    }

    pub(crate) fn is_protected(&self, peer: &PeerId) -> bool {
        self.lock().protected.contains(peer)
    }

    /// Whether a connection that is up may stay.
    pub(super) fn check_open(&self, peer: &PeerId, ip: Option<IpAddr>, outbound: bool) -> Result<(), DialRefusal> {
        let state = self.lock();
        state.check_peer(peer)?;
        if outbound || state.is_default() { ip.map_or(Ok(()), |ip| state.check_ip(ip)) } else { Ok(()) }
    }

    /// Whether an inbound connection of this remote address may begin its handshake.
    pub(super) fn check_inbound(&self, address: &Multiaddr) -> Result<(), DialRefusal> {
        let state = self.lock();
        match ip_in(address).filter(|_| state.is_default()) {
            Some(ip) => state.check_ip(ip),
            None => Ok(()),
        }
    }

    /// Whether a dial may begin: one of its addresses must be allowed. Names are judged when they are resolved
    /// ([`Self::admit`]).
    pub(super) fn begin_dial(
        &self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        now: Instant,
    ) -> Result<(), DialRefusal> {
        let mut state = self.lock();
        if let Some(peer) = &peer {
            state.check_peer(peer)?;
        }
        let named = addresses.iter().map(|address| with_peer(address, peer));
        match &mut state.mode {
            Mode::Default(_) => one_of(named, |address| state.check_dial(&address, now)),
            Mode::Kona { gater, dials } => {
                let begin = |address: Multiaddr| {
                    // Not resolved here, for that would hold up the node.
                    gater.can_dial(&address, now, |_, _| None)?;
                    let peer = peer_in(&address).ok_or(DialRefusal::InvalidMultiaddr)?;
                    Ok((address, peer))
                };
                let (first, peer) = one_of(named, begin)?;
                gater.dialing(&first);
                gater.dialed(&first, now);
                dials.insert(id, peer);
                Ok(())
            }
        }
    }

    /// A dial, or the connection it made, has ended.
    pub(super) fn end_dial(&self, id: ConnectionId) {
        if let Mode::Kona { gater, dials } = &mut self.lock().mode
            && let Some(peer) = dials.remove(&id)
        {
            gater.remove_dial(&peer);
        }
    }

    /// Whether an address whose names are resolved may be dialled now; then the dial counts.
    pub(super) fn admit(&self, address: &Multiaddr, now: Instant) -> Result<(), DialRefusal> {
        let mut state = self.lock();
        if let Mode::Kona { gater, .. } = &state.mode {
            return ip_in(address).map_or(Ok(()), |ip| gater.check_ip(ip));
        }
        state.check_dial(address, now)?;
        let counted = peer_in(address).is_none_or(|peer| !state.protected.contains(&peer));
        if let (Mode::Default(redials), true) = (&mut state.mode, counted) {
            redials.count(address, now);
        }
        Ok(())
    }

    /// A dial reached a peer at this address.
    pub(super) fn reached(&self, peer: PeerId, address: &Multiaddr) {
        let mut state = self.lock();
        if let Some(ip) = ip_in(address) {
            if state.reached.len() >= MAX_REACHED {
                state.reached.clear();
            }
            state.reached.insert(peer, ip);
        }
    }

    /// Where the dial that was told last reached the peer.
    pub(super) fn take_reached(&self, peer: &PeerId) -> Option<IpAddr> {
        self.lock().reached.remove(peer)
    }

    /// Counts a refusal, and says so when it is the first for a while.
    pub(super) fn refused(&self, reason: Reason, what: &dyn fmt::Display, now: Instant) {
        reason.counter(&self.counters).add(1);
        self.lock().voices.refused(reason, what, now);
    }

    /// The ceiling on memory, when the process is over it.
    pub(super) fn over_memory(&self) -> Option<u64> {
        self.memory.over()
    }

    /// Forgets what is over, and looks at the memory.
    pub(crate) fn tick(&self, now: Instant) {
        self.memory.look(now);
        let mut state = self.lock();
        state.voices.tick(now);
        if let Mode::Default(redials) = &mut state.mode {
            redials.expire(now);
        }
    }
}

/// The first address for which `check` gives something; none at all is left to others to judge.
fn one_of<T>(
    addresses: impl Iterator<Item = Multiaddr>,
    mut check: impl FnMut(Multiaddr) -> Result<T, DialRefusal>,
) -> Result<T, DialRefusal> {
    let mut refusal = DialRefusal::InvalidMultiaddr;
    for address in addresses {
        match check(address) {
            Ok(value) => return Ok(value),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

fn with_peer(address: &Multiaddr, peer: Option<PeerId>) -> Multiaddr {
    match peer {
        Some(peer) if peer_in(address).is_none() => address.clone().with(Protocol::P2p(peer)),
        _ => address.clone(),
    }
}

impl State {
    fn set_blocked(&mut self, target: Target, blocked: bool) -> Result<(), SubmitError> {
        let canonical = match target {
            Target::Address(ip) if self.is_default() => Target::Address(ip.to_canonical()),
            Target::Subnet(subnet) if self.is_default() => Target::Subnet(subnet.to_canonical()),
            exact => exact,
        };
        if !blocked {
            self.targets.remove(&canonical);
        } else if self.targets.len() < MAX_TARGETS || self.targets.contains(&canonical) {
            self.targets.insert(canonical);
        } else {
            return Err(SubmitError::Full);
        }
        if let Target::Subnet(subnet) = canonical {
            self.subnets.retain(|other| *other != subnet);
            if blocked {
                self.subnets.push(subnet);
            }
        }
        if let Mode::Kona { gater, .. } = &mut self.mode {
            match target {
                Target::Peer(peer) => gater.set_peer_blocked(peer, blocked),
                Target::Address(ip) => gater.set_address_blocked(ip, blocked),
                Target::Subnet(subnet) => gater.set_subnet_blocked(subnet, blocked),
            }
        }
        Ok(())
    }

    /// Kona's rules are about dials alone, and about addresses as they are written.
    fn is_default(&self) -> bool {
        matches!(self.mode, Mode::Default(_))
    }

    fn check_peer(&self, peer: &PeerId) -> Result<(), DialRefusal> {
        if self.targets.contains(&Target::Peer(*peer)) { Err(DialRefusal::PeerBlocked) } else { Ok(()) }
    }

    fn check_ip(&self, ip: IpAddr) -> Result<(), DialRefusal> {
        let ip = if self.is_default() { ip.to_canonical() } else { ip };
        if self.targets.contains(&Target::Address(ip)) {
            Err(DialRefusal::AddressBlocked)
        } else if self.subnets.iter().any(|subnet| subnet.contains(ip)) {
            Err(DialRefusal::SubnetBlocked)
        } else {
            Ok(())
        }
    }

    /// The default mode's rules on one address.
    fn check_dial(&self, address: &Multiaddr, now: Instant) -> Result<(), DialRefusal> {
        let peer = peer_in(address);
        if let Some(peer) = &peer {
            self.check_peer(peer)?;
        }
        if let Some(ip) = ip_in(address) {
            self.check_ip(ip)?;
        }
        let protected = peer.is_some_and(|peer| self.protected.contains(&peer));
        match &self.mode {
            Mode::Default(redials) if !protected && redials.reached(address, now) => Err(DialRefusal::ThresholdReached),
            _ => Ok(()),
        }
    }
}
