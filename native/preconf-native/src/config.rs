//! From the caller's `PcnConfig` to what a node is made of. Every text and number is checked here or by the node.

use std::{path::PathBuf, ptr, time::Duration};

use libp2p::Multiaddr;
use preconf_p2p::{
    Author, Config, ConnectionCaps, DiscoveryConfig, IdentitySource, MeshSize, NatConfig, PeerLimits, Way,
    gater::GaterConfig,
};

use crate::{
    abi::{PcnBytes, PcnConfig},
    args,
    guard::{Failure, Outcome},
};

/// Bytes of any one text in the configuration.
const MAX_TEXT: usize = 1 << 20;

/// What `pcn_node_start` works with.
pub(crate) struct Settings {
    pub(crate) p2p: Config,
    pub(crate) worker_threads: usize,
    pub(crate) ring_slots: usize,
    pub(crate) ring_reserved: usize,
    pub(crate) max_leased_bytes: u64,
    pub(crate) log_level: u8,
}

/// Copies and checks a configuration.
///
/// # Safety
/// `config` is null or readable, and so are the bytes its texts name.
pub(crate) unsafe fn read(config: *const PcnConfig) -> Result<Settings, Failure> {
    args::non_null(config, "config")?;
    // SAFETY: the size comes first in every version of the struct; the caller's contract.
    let size = unsafe { ptr::addr_of!((*config).struct_size).read_unaligned() };
    if size as usize != size_of::<PcnConfig>() {
        return Err(Failure::argument(format!(
            "struct_size is {size}, this library's PcnConfig has {} bytes: library and caller are of different versions",
            size_of::<PcnConfig>()
        )));
    }
    // SAFETY: the caller's contract, and the caller's struct has this size.
    let config = unsafe { config.read_unaligned() };
    check_numbers(&config)?;
    Ok(Settings {
        // SAFETY: the caller's contract.
        p2p: unsafe { p2p_config(&config) }?,
        worker_threads: config.worker_threads as usize,
        ring_slots: config.ring_slots as usize,
        ring_reserved: config.ring_reserved as usize,
        max_leased_bytes: config.max_leased_bytes,
        log_level: config.log_level,
    })
}

fn check_numbers(config: &PcnConfig) -> Outcome {
    let require = |holds: bool, text: &dyn Fn() -> String| if holds { Ok(()) } else { Err(Failure::argument(text())) };
    require(config.reserved == [0; 3], &|| format!("reserved is {:?}, not 0", config.reserved))?;
    require(config.log_level <= 5, &|| format!("log_level {} is not one of 0 to 5", config.log_level))?;
    require((1..=64).contains(&config.worker_threads), &|| {
        format!("worker_threads is {}, not 1 to 64", config.worker_threads)
    })?;
    let slots = config.ring_slots;
    require(slots.is_power_of_two() && (64..=1 << 20).contains(&slots), &|| {
        format!("ring_slots is {slots}, not a power of two from 64 to 1048576")
    })?;
    require(config.ring_reserved < slots, &|| {
        format!("ring_reserved is {}, not below ring_slots, {slots}", config.ring_reserved)
    })?;
    require(config.max_leased_bytes > 0, &|| "max_leased_bytes is 0: no gossip could be delivered".into())
}

/// # Safety
/// As for [`read`].
unsafe fn p2p_config(config: &PcnConfig) -> Result<Config, Failure> {
    // SAFETY: the caller's contract.
    let (listen, static_peers, discovery, identity, agent, known_peers) = unsafe {
        (
            addresses(&config.listen, "listen")?,
            addresses(&config.static_peers, "static_peers")?,
            discovery(config)?,
            identity(config)?,
            text(&config.agent_version, "agent_version")?,
            text(&config.known_peers_file, "known_peers_file")?,
        )
    };
    let defaults = Config::default();
    Ok(Config {
        chain_id: config.chain_id,
        listen,
        static_peers,
        discovery,
        // SAFETY: the caller's contract.
        nat: unsafe { nat(config) }?,
        // SAFETY: as above.
        external: unsafe { addresses(&config.external_addresses, "external_addresses") }?,
        local_network: args::flag(config.local_network, "local_network")?,
        peers: PeerLimits {
            target: config.target_peers as usize,
            min: config.min_peers as usize,
            max: config.max_peers as usize,
            min_outbound: config.min_outbound_peers as usize,
        },
        known_peers_file: (!known_peers.is_empty()).then(|| PathBuf::from(known_peers)),
        preferred: if args::flag(config.prefer_quic, "prefer_quic")? { Way::Quic } else { Way::Tcp },
        identity,
        author: if args::flag(config.author, "author")? { Author::Ed25519 } else { Author::Identity },
        message_id: args::message_id_mode(config.message_id_mode)?,
        mesh: MeshSize {
            n: config.mesh_n as usize,
            low: config.mesh_low as usize,
            high: config.mesh_high as usize,
            outbound_min: config.mesh_outbound_min as usize,
            lazy: config.mesh_lazy as usize,
        },
        enable_tcp: args::flag(config.enable_tcp, "enable_tcp")?,
        enable_quic: args::flag(config.enable_quic, "enable_quic")?,
        enable_memory: args::flag(config.enable_memory, "enable_memory")?,
        agent_version: if agent.is_empty() { defaults.agent_version.clone() } else { agent.to_owned() },
        heartbeat: millis(config.heartbeat_ms),
        request_timeout: millis(config.request_timeout_ms),
        max_concurrent_streams: config.max_concurrent_streams as usize,
        max_peer_streams: config.max_peer_streams as usize,
        max_streams: config.max_streams as usize,
        caps: caps(config),
        // SAFETY: the caller's contract.
        gater: unsafe { gater(config) }?,
        dial_concurrency: config.dial_concurrency,
        idle_timeout: millis(config.idle_timeout_ms),
        outbox_bytes: size(config.outbox_bytes, "outbox_bytes")?,
        peer_queue_bytes: size(config.peer_queue_bytes, "peer_queue_bytes")?,
        queue_bytes: size(config.queue_bytes, "queue_bytes")?,
        memory_ceiling: (config.memory_ceiling != 0).then_some(config.memory_ceiling),
        peer_queue_len: config.peer_queue_len as usize,
        seed: (config.seed != 0).then_some(config.seed),
    })
}

/// # Safety
/// As for [`read`].
unsafe fn nat(config: &PcnConfig) -> Result<NatConfig, Failure> {
    Ok(NatConfig {
        upnp: args::flag(config.nat_upnp, "nat_upnp")?,
        autonat: args::flag(config.nat_autonat, "nat_autonat")?,
        autonat_server: args::flag(config.nat_autonat_server, "nat_autonat_server")?,
        observed_address: args::flag(config.nat_observed_address, "nat_observed_address")?,
        relay_client: args::flag(config.nat_relay_client, "nat_relay_client")?,
        // SAFETY: the caller's contract.
        relays: unsafe { addresses(&config.nat_relays, "nat_relays") }?,
        relay_server: args::flag(config.nat_relay_server, "nat_relay_server")?,
        hole_punching: args::flag(config.nat_hole_punching, "nat_hole_punching")?,
    })
}

/// # Safety
/// As for [`read`].
unsafe fn gater(config: &PcnConfig) -> Result<GaterConfig, Failure> {
    // SAFETY: the caller's contract.
    let (blocked, protected_peers) = unsafe {
        (
            each_line(&config.blocked, "blocked", args::parse_target)?,
            each_line(&config.protected_peers, "protected_peers", args::parse_peer_id)?,
        )
    };
    Ok(GaterConfig {
        mode: args::gater_mode(config.gater_mode)?,
        blocked,
        protected_peers,
        peer_redialing: (config.peer_redialing != u64::MAX).then_some(config.peer_redialing),
        dial_period: millis(config.dial_period_ms),
    })
}

fn caps(config: &PcnConfig) -> ConnectionCaps {
    let cap = |value: u32| (value != u32::MAX).then_some(value);
    ConnectionCaps {
        pending_incoming: cap(config.max_pending_incoming),
        pending_outgoing: cap(config.max_pending_outgoing),
        established_incoming: cap(config.max_established_incoming),
        established_outgoing: cap(config.max_established_outgoing),
        established_total: cap(config.max_established_total),
        established_per_peer: cap(config.max_established_per_peer),
    }
}

/// # Safety
/// As for [`read`].
unsafe fn identity(config: &PcnConfig) -> Result<IdentitySource, Failure> {
    // SAFETY: the caller's contract.
    let (secret, file) =
        unsafe { (args::bytes(&config.secret_key, "secret_key")?, text(&config.key_file, "key_file")?) };
    let ephemeral = args::flag(config.ephemeral_key, "ephemeral_key")?;
    if !secret.is_empty() {
        let secret: [u8; 32] = secret
            .try_into()
            .map_err(|_| Failure::argument(format!("secret_key has {} bytes, not 32", secret.len())))?;
        return Ok(IdentitySource::Secret(secret));
    }
    match (ephemeral, file) {
        (true, "") => Ok(IdentitySource::Ephemeral),
        (true, _) => Err(Failure::argument("ephemeral_key is 1 and key_file is set: choose one")),
        (false, "") => Err(Failure::argument("no identity: set key_file, secret_key or ephemeral_key")),
        (false, path) => Ok(IdentitySource::File(PathBuf::from(path))),
    }
}

/// # Safety
/// As for [`read`].
unsafe fn discovery(config: &PcnConfig) -> Result<Option<DiscoveryConfig>, Failure> {
    // SAFETY: the caller's contract.
    let (listen, bootnodes, file) = unsafe {
        (
            text(&config.discovery_listen, "discovery_listen")?,
            text(&config.bootnodes, "bootnodes")?,
            text(&config.record_file, "record_file")?,
        )
    };
    if listen.is_empty() {
        let unused = [("bootnodes", bootnodes.is_empty()), ("record_file", file.is_empty())];
        return match unused.into_iter().find(|(_, is_empty)| !is_empty) {
            Some((name, _)) => Err(Failure::argument(format!("{name} is set and discovery_listen is empty"))),
            None => Ok(None),
        };
    }
    let socket = |line: &str| {
        line.parse()
            .map_err(|_| Failure::argument(format!("discovery_listen: {line:?} is not IP:PORT, e.g. 0.0.0.0:9001")))
    };
    Ok(Some(DiscoveryConfig {
        listen: lines(listen).map(socket).collect::<Result<_, _>>()?,
        bootnodes: lines(bootnodes).map(str::to_owned).collect(),
        record_file: (!file.is_empty()).then(|| PathBuf::from(file)),
    }))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').filter(|line| !line.is_empty())
}

/// # Safety
/// As for [`read`].
unsafe fn addresses(list: &PcnBytes, name: &str) -> Result<Vec<Multiaddr>, Failure> {
    // SAFETY: the caller's contract.
    unsafe { each_line(list, name, args::parse_multiaddr) }
}

/// # Safety
/// As for [`read`].
unsafe fn each_line<T>(
    list: &PcnBytes,
    name: &str,
    parse: impl Fn(&str) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    // SAFETY: the caller's contract.
    lines(unsafe { text(list, name) }?)
        .map(|line| parse(line).map_err(|e| Failure::argument(format!("{name}: {}", e.text))))
        .collect()
}

/// # Safety
/// As for [`read`].
unsafe fn text<'a>(bytes: &PcnBytes, name: &str) -> Result<&'a str, Failure> {
    if bytes.len > MAX_TEXT {
        return Err(Failure::argument(format!("{name} has {} bytes, more than {MAX_TEXT}", bytes.len)));
    }
    // SAFETY: the caller's contract.
    unsafe { args::text(bytes, name) }
}

fn size(bytes: u64, name: &str) -> Result<usize, Failure> {
    usize::try_from(bytes).map_err(|_| Failure::argument(format!("{name} is {bytes}, more than this system addresses")))
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}
