//! The effective gossipsub configuration of the network (vectors/gossip_config.json, `effective`).

use std::time::Duration;

use libp2p::gossipsub::{self, ConfigBuilder, ConfigBuilderError, Message, MessageId, ValidationMode};

use super::{MAX_GOSSIP_SIZE, own_id};
use crate::{Config, MeshSize, Topic, topic_name};

/// The control part of an RPC may be this large. The library's 16 KiB makes a node deaf for good to a peer that sends
/// an IHAVE of 5000 ids (about 110 kB), which reference nodes do.
const MAX_CONTROL_SIZE: usize = 1 << 20;

/// The library checks this only for topics that have sizes of their own.
fn check_mesh(mesh: &MeshSize) -> Result<(), ConfigBuilderError> {
    if !(mesh.outbound_min <= mesh.low && mesh.low <= mesh.n && mesh.n <= mesh.high) {
        return Err(ConfigBuilderError::MeshParametersInvalid);
    }
    if mesh.outbound_min * 2 > mesh.n {
        return Err(ConfigBuilderError::MeshOutboundInvalid);
    }
    Ok(())
}

/// Every value by name, so that a new default of the library changes nothing here.
///
/// # Errors
/// When the mesh sizes contradict each other.
pub fn gossipsub_config(config: &Config) -> Result<gossipsub::Config, ConfigBuilderError> {
    check_mesh(&config.mesh)?;
    let mode = config.message_id;
    let commitments = topic_name(config.chain_id, Topic::Commitments);
    ConfigBuilder::default()
        .mesh_n(config.mesh.n)
        .mesh_n_low(config.mesh.low)
        .mesh_n_high(config.mesh.high)
        .mesh_outbound_min(config.mesh.outbound_min)
        .gossip_lazy(config.mesh.lazy)
        .gossip_factor(0.25)
        .retain_scores(4)
        .heartbeat_interval(config.heartbeat)
        .heartbeat_initial_delay(Duration::from_secs(5))
        .history_length(12)
        .history_gossip(3)
        .fanout_ttl(Duration::from_secs(60))
        .check_explicit_peers_ticks(300)
        .max_transmit_size(MAX_GOSSIP_SIZE)
        .max_control_message_size(MAX_CONTROL_SIZE)
        .duplicate_cache_time(Duration::from_secs(120))
        .validate_messages()
        .validation_mode(ValidationMode::Strict)
        .message_id_fn(move |message: &Message| {
            let name = message.topic.as_str();
            let topic = if name == commitments { Topic::Commitments } else { Topic::TxLists };
            MessageId::new(&own_id(mode, topic, name, &message.data))
        })
        .allow_self_origin(false)
        .prune_peers(0)
        .prune_backoff(Duration::from_secs(60))
        .unsubscribe_backoff(Duration::from_secs(10))
        .backoff_slack(1)
        .flood_publish(false)
        .graft_flood_threshold(Duration::from_secs(10))
        .opportunistic_graft_ticks(60)
        .opportunistic_graft_peers(2)
        .gossip_retransimission(3)
        .max_publish_messages(5000)
        .max_control_messages_sent(5000)
        .max_ihave_messages_heartbeat(10)
        .iwant_followup_time(Duration::from_secs(3))
        .support_floodsub()
        .connection_handler_queue_len(config.peer_queue_len)
        .publish_queue_duration(Duration::from_secs(5))
        .forward_queue_duration(Duration::from_secs(1))
        .idontwant_message_size_threshold(1000)
        .idontwant_on_publish(false)
        .build()
}
