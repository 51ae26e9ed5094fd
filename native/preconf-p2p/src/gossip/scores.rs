//! gossipsub's peer scores (vectors/gossip_config.json, `peer_score`).

use std::{collections::HashMap, time::Duration};

use libp2p::gossipsub::{IdentTopic, PeerScoreParams, PeerScoreThresholds, TopicScoreParams};

use crate::{Topic, topic_name};

/// The parameters: only first deliveries (+0.5, cap 20), invalid ones (−2, squared) and the application's score count.
pub fn peer_score_params(chain_id: u64) -> PeerScoreParams {
    let topic = |topic| (IdentTopic::new(topic_name(chain_id, topic)).hash(), topic_score_params());
    PeerScoreParams {
        topics: Topic::ALL.map(topic).into_iter().collect::<HashMap<_, _>>(),
        topic_score_cap: 3600.0,
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: 0.0,
        ip_colocation_factor_threshold: 10.0,
        ip_colocation_factor_whitelist: Default::default(),
        behaviour_penalty_weight: 0.0,
        behaviour_penalty_threshold: 0.0,
        behaviour_penalty_decay: 0.2,
        decay_interval: Duration::from_secs(10),
        decay_to_zero: 0.1,
        retain_score: Duration::from_secs(3600),
        slow_peer_weight: 0.0,
        slow_peer_threshold: 0.0,
        slow_peer_decay: 0.2,
    }
}

fn topic_score_params() -> TopicScoreParams {
    TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.0,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 3600.0,
        first_message_deliveries_weight: 0.5,
        first_message_deliveries_decay: 0.999,
        first_message_deliveries_cap: 20.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_message_deliveries_decay: 0.5,
        mesh_message_deliveries_cap: 100.0,
        mesh_message_deliveries_threshold: 20.0,
        mesh_message_deliveries_window: Duration::from_millis(10),
        mesh_message_deliveries_activation: Duration::from_secs(5),
        mesh_failure_penalty_weight: 0.0,
        mesh_failure_penalty_decay: 0.5,
        invalid_message_deliveries_weight: -2.0,
        invalid_message_deliveries_decay: 0.99,
    }
}

/// Below −1 no gossip, below −2 no publishes, below −5 nothing is heard.
pub fn peer_score_thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -1.0,
        publish_threshold: -2.0,
        graylist_threshold: -5.0,
        accept_px_threshold: 0.0,
        opportunistic_graft_threshold: 0.5,
    }
}
