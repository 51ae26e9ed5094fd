//! The golden vectors of the reference: message ids, names, frames, gossipsub's configuration and scores.

use std::{collections::BTreeMap, time::Duration};

use libp2p::gossipsub::{IdentTopic, TopicHash, ValidationMode};
use preconf_p2p::{
    Config, MessageIdMode, Protocol, Topic,
    gossip::{gossipsub_config, message_id, peer_score_params, peer_score_thresholds, snappy_len},
    protocol_name,
    reqresp::{Direction, FrameError, encode_frame, encode_length, frame_cap, read_frame},
    topic_name,
};
use serde_json::Value;

mod common;
use common::{counted, hex, is_projects_own, vector_file};

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is a text"))
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} is a number"))
}

#[test]
fn message_ids() {
    let file = vector_file("gossip_config.json");
    let cases = file["data"]["message_id_fn"]["vectors"].as_array().unwrap();
    counted(cases.len(), 35);
    for case in cases {
        let (name, data) = (text(case, "name"), hex(text(case, "data")));
        let id = message_id(MessageIdMode::Kona, text(case, "topic"), &data);
        assert_eq!(id.to_vec(), hex(text(case, "message_id")), "{name}");
        assert_eq!(snappy_len(&data).is_some(), case["valid_raw_snappy"].as_bool().unwrap(), "{name}");
    }
}

#[test]
fn names() {
    let file = vector_file("topics.json");
    let cases = file["data"]["cases"].as_array().unwrap();
    counted(cases.len(), 26);
    for case in cases {
        let chain: u64 = text(case, "chain_id").parse().unwrap();
        let commitments = topic_name(chain, Topic::Commitments);
        assert_eq!(commitments, text(case, "topic_commitments"));
        assert_eq!(IdentTopic::new(commitments).hash().as_str(), text(case, "topic_hash_commitments"));
        assert_eq!(topic_name(chain, Topic::TxLists), text(case, "topic_raw_txlists"));
        assert_eq!(protocol_name(chain, Protocol::Head), text(case, "protocol_get_head"));
        let by_number = text(case, "protocol_get_commitments_by_number");
        assert_eq!(protocol_name(chain, Protocol::Commitments), by_number);
        assert_eq!(protocol_name(chain, Protocol::TxList), text(case, "protocol_get_raw_txlist"));
        assert_eq!(case.as_object().unwrap().len(), 7, "a field was not read");
    }
}

fn protocol_of(case: &Value) -> Protocol {
    match text(case, "protocol") {
        "get_head" => Protocol::Head,
        "get_commitments_by_number" => Protocol::Commitments,
        "get_raw_txlist" => Protocol::TxList,
        other => panic!("unknown protocol {other}"),
    }
}

fn direction_of(case: &Value) -> Direction {
    match text(case, "direction") {
        "request" => Direction::Request,
        "response" => Direction::Response,
        other => panic!("unknown direction {other}"),
    }
}

fn frame_of(case: &Value) -> Vec<u8> {
    if let Some(frame) = case["frame"].as_str() {
        return hex(frame);
    }
    let rule = &case["frame_rule"];
    let mut frame = hex(text(rule, "prefix"));
    let repeat = hex(text(rule, "repeat"));
    for _ in 0..number(rule, "count") {
        frame.extend_from_slice(&repeat);
    }
    frame
}

/// Where this reader is stricter than the reference's, on purpose: a length that overflows 32 bits is no length, while
/// the reference takes it modulo 2³².
fn length_overflows(frame: &[u8]) -> bool {
    matches!(frame, [0x80..=0xff, 0x80..=0xff, 0x80..=0xff, 0x80..=0xff, 0x10..=0x7f, ..])
}

/// What the reference refuses beyond the frame, in the SSZ, which is the host's to decode.
fn refused_by_ssz(case: &Value) -> bool {
    case["error"].as_str().is_some_and(|error| error.starts_with("ssz decode: "))
}

#[test]
fn frames() {
    let file = vector_file("codec.json");
    let cases = file["data"]["frames"].as_array().unwrap();
    counted(cases.len(), 202);
    let mut stricter_cases = 0;
    for case in cases {
        let (protocol, direction) = (protocol_of(case), direction_of(case));
        let name = format!("{} {protocol:?} {direction:?}", text(case, "name"));
        let cap = frame_cap(protocol, direction);
        assert_eq!(cap as u64, number(case, "max_len"), "{name}");
        let frame = frame_of(case);
        assert_eq!(frame.len() as u64, number(case, "frame_len"), "{name}");
        let mut rest = frame.as_slice();
        let result = futures::executor::block_on(read_frame(&mut rest, cap));
        match text(case, "verdict") {
            "accept" if length_overflows(&frame) => {
                stricter_cases += 1;
                assert!(matches!(result, Err(FrameError::BadLength)), "{name}: {result:?}");
            }
            "accept" => {
                let payload = result.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(rest.len() as u64, number(case, "unread_bytes"), "{name}");
                let consumed = &frame[..frame.len() - rest.len()];
                assert_eq!(consumed.len() as u64, number(case, "consumed"), "{name}");
                if let Some(expected) = case["payload_ssz"].as_str() {
                    assert_eq!(payload, hex(expected), "{name}");
                }
                assert_eq!(encode_frame(&payload), consumed, "{name}: encoded again");
            }
            "reject" if refused_by_ssz(case) => assert!(result.is_ok(), "{name}: {result:?}"),
            "reject" => check_refusal(&name, text(case, "error"), &frame, result),
            other => panic!("{name}: unknown verdict {other}"),
        }
    }
    if is_projects_own() {
        assert_eq!(stricter_cases, 12, "other cases are taken for stricter ones");
    }
}

fn check_refusal(name: &str, error: &str, frame: &[u8], result: Result<Vec<u8>, FrameError>) {
    let refused = match result {
        Ok(_) => panic!("{name}: taken"),
        Err(refused) => refused,
    };
    let as_expected = match &refused {
        FrameError::Empty => frame.is_empty(),
        FrameError::Cut => error.ends_with("unexpected end of file"),
        FrameError::BadLength => error.starts_with("varint len: decode error"),
        FrameError::OverCap { length, cap } => error == format!("frame too large: {length} > {cap}"),
        FrameError::Io(_) => false,
    };
    assert!(as_expected, "{name}: the reference says {error:?}, here {refused:?}");
}

#[test]
fn frame_lengths_and_caps() {
    let file = vector_file("codec.json");
    let encodings = file["data"]["varint_encodings"].as_array().unwrap();
    counted(encodings.len(), 21);
    for case in encodings {
        let value = u32::try_from(number(case, "value")).unwrap();
        let (bytes, used) = encode_length(value);
        assert_eq!(bytes[..used], hex(text(case, "varint")), "{value}");
    }
    let limits = file["data"]["limits"].as_object().unwrap();
    assert_eq!(limits.len(), 3);
    for (protocol, name) in Protocol::ALL.iter().zip(["get_head", "get_commitments_by_number", "get_raw_txlist"]) {
        assert_eq!(frame_cap(*protocol, Direction::Request) as u64, number(&limits[name], "request"));
        assert_eq!(frame_cap(*protocol, Direction::Response) as u64, number(&limits[name], "response"));
    }
}

fn millis(duration: Duration) -> Value {
    u64::try_from(duration.as_millis()).unwrap().into()
}

#[test]
fn gossipsub_configuration() {
    let config = gossipsub_config(&Config::default()).unwrap();
    let topic = TopicHash::from_raw(topic_name(167_000, Topic::Commitments));
    let mode = match config.validation_mode() {
        ValidationMode::Strict => "Strict",
        ValidationMode::Permissive => "Permissive",
        ValidationMode::Anonymous => "Anonymous",
        ValidationMode::None => "None",
    };
    let for_topic = serde_json::json!({
        "max_transmit_size": config.max_transmit_size_for_topic(&topic),
        "mesh_n": config.mesh_n_for_topic(&topic),
        "mesh_n_high": config.mesh_n_high_for_topic(&topic),
        "mesh_n_low": config.mesh_n_low_for_topic(&topic),
        "mesh_outbound_min": config.mesh_outbound_min_for_topic(&topic),
    });
    let mut ours: BTreeMap<&str, Value> = BTreeMap::from([
        ("allow_self_origin", config.allow_self_origin().into()),
        ("backoff_slack", config.backoff_slack().into()),
        ("check_explicit_peers_ticks", config.check_explicit_peers_ticks().into()),
        ("connection_handler_queue_len", config.connection_handler_queue_len().into()),
        ("do_px", config.do_px().into()),
        ("duplicate_cache_time_ms", millis(config.duplicate_cache_time())),
        ("fanout_ttl_ms", millis(config.fanout_ttl())),
        ("flood_publish", config.flood_publish().into()),
        ("for_commitments_topic", for_topic),
        ("forward_queue_duration_ms", millis(config.forward_queue_duration())),
        ("gossip_factor", config.gossip_factor().into()),
        ("gossip_lazy", config.gossip_lazy().into()),
        ("gossip_retransimission", config.gossip_retransimission().into()),
        ("graft_flood_threshold_ms", millis(config.graft_flood_threshold())),
        ("heartbeat_initial_delay_ms", millis(config.heartbeat_initial_delay())),
        ("heartbeat_interval_ms", millis(config.heartbeat_interval())),
        ("history_gossip", config.history_gossip().into()),
        ("history_length", config.history_length().into()),
        ("idontwant_message_size_threshold", config.idontwant_message_size_threshold().into()),
        ("idontwant_on_publish", config.idontwant_on_publish().into()),
        ("iwant_followup_time_ms", millis(config.iwant_followup_time())),
        // Renamed since the reference's version.
        ("max_ihave_length", config.max_control_messages_sent().into()),
        ("max_ihave_messages", config.max_ihave_messages_heartbeat().into()),
        ("max_transmit_size", config.max_transmit_size().into()),
        ("mesh_n", config.mesh_n().into()),
        ("mesh_n_high", config.mesh_n_high().into()),
        ("mesh_n_low", config.mesh_n_low().into()),
        ("mesh_outbound_min", config.mesh_outbound_min().into()),
        ("opportunistic_graft_peers", config.opportunistic_graft_peers().into()),
        ("opportunistic_graft_ticks", config.opportunistic_graft_ticks().into()),
        ("prune_backoff_ms", millis(config.prune_backoff())),
        ("prune_peers", config.prune_peers().into()),
        ("publish_queue_duration_ms", millis(config.publish_queue_duration())),
        ("retain_scores", config.retain_scores().into()),
        ("support_floodsub", config.support_floodsub().into()),
        ("unsubscribe_backoff_ms", millis(config.unsubscribe_backoff())),
        ("validate_messages", config.validate_messages().into()),
        ("validation_mode", mode.into()),
    ]);
    let file = vector_file("gossip_config.json");
    for (key, value) in file["data"]["effective"].as_object().unwrap() {
        match key.as_str() {
            // Gone from the library: a text for people, a bound on RPCs that was unset, a cache of its own.
            "debug" | "max_messages_per_rpc" | "published_message_ids_cache_time_ms" => {}
            key => {
                let ours = ours.remove(key).unwrap_or_else(|| panic!("{key} was not read"));
                assert_eq!(&ours, value, "{key}");
            }
        }
    }
    assert!(ours.is_empty(), "not in the vectors: {ours:?}");
    assert_eq!(config.max_control_message_size(), 1 << 20, "16 KiB makes a node deaf to reference nodes");
}

#[test]
fn peer_scores() {
    let file = vector_file("gossip_config.json");
    let expected = &file["data"]["peer_score"];
    let thresholds = peer_score_thresholds();
    let ours = serde_json::json!({
        "accept_px_threshold": thresholds.accept_px_threshold,
        "gossip_threshold": thresholds.gossip_threshold,
        "graylist_threshold": thresholds.graylist_threshold,
        "opportunistic_graft_threshold": thresholds.opportunistic_graft_threshold,
        "publish_threshold": thresholds.publish_threshold,
    });
    assert_eq!(ours, expected["thresholds"]);
    thresholds.validate().unwrap();

    let params = peer_score_params(167_000);
    params.validate().unwrap();
    let topics: serde_json::Map<_, _> = params
        .topics
        .iter()
        .map(|(hash, topic)| {
            let value = serde_json::json!({
                "first_message_deliveries_cap": topic.first_message_deliveries_cap,
                "first_message_deliveries_decay": topic.first_message_deliveries_decay,
                "first_message_deliveries_weight": topic.first_message_deliveries_weight,
                "invalid_message_deliveries_decay": topic.invalid_message_deliveries_decay,
                "invalid_message_deliveries_weight": topic.invalid_message_deliveries_weight,
                "mesh_failure_penalty_decay": topic.mesh_failure_penalty_decay,
                "mesh_failure_penalty_weight": topic.mesh_failure_penalty_weight,
                "mesh_message_deliveries_activation_ms": millis(topic.mesh_message_deliveries_activation),
                "mesh_message_deliveries_cap": topic.mesh_message_deliveries_cap,
                "mesh_message_deliveries_decay": topic.mesh_message_deliveries_decay,
                "mesh_message_deliveries_threshold": topic.mesh_message_deliveries_threshold,
                "mesh_message_deliveries_weight": topic.mesh_message_deliveries_weight,
                "mesh_message_deliveries_window_ms": millis(topic.mesh_message_deliveries_window),
                "time_in_mesh_cap": topic.time_in_mesh_cap,
                "time_in_mesh_quantum_ms": millis(topic.time_in_mesh_quantum),
                "time_in_mesh_weight": topic.time_in_mesh_weight,
                "topic_weight": topic.topic_weight,
            });
            (hash.to_string(), value)
        })
        .collect();
    let ours = serde_json::json!({
        "app_specific_weight": params.app_specific_weight,
        "behaviour_penalty_decay": params.behaviour_penalty_decay,
        "behaviour_penalty_threshold": params.behaviour_penalty_threshold,
        "behaviour_penalty_weight": params.behaviour_penalty_weight,
        "decay_interval_ms": millis(params.decay_interval),
        "decay_to_zero": params.decay_to_zero,
        "ip_colocation_factor_threshold": params.ip_colocation_factor_threshold,
        "ip_colocation_factor_weight": params.ip_colocation_factor_weight,
        "ip_colocation_factor_whitelist": params.ip_colocation_factor_whitelist.iter().collect::<Vec<_>>(),
        "retain_score_ms": millis(params.retain_score),
        "slow_peer_decay": params.slow_peer_decay,
        "slow_peer_threshold": params.slow_peer_threshold,
        "slow_peer_weight": params.slow_peer_weight,
        "topic_score_cap": params.topic_score_cap,
        "topics": topics,
    });
    assert_eq!(ours, expected["params"]);
}
