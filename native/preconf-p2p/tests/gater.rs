//! Kona's gater against the reference's traces.

use std::{
    net::{IpAddr, ToSocketAddrs},
    time::Duration,
};

use libp2p::{Multiaddr, PeerId};
use preconf_p2p::gater::{Connectedness, Family, KonaGater};
use serde_json::Value;
use tokio::time::Instant;

mod common;
use common::{counted, vector_file};

/// As Kona resolves: the system's first address of the family.
fn resolve(name: &str, family: Family) -> Option<IpAddr> {
    let wanted = |ip: &IpAddr| match family {
        Family::Any => true,
        Family::V4 => ip.is_ipv4(),
        Family::V6 => ip.is_ipv6(),
    };
    (name, 0).to_socket_addrs().ok()?.map(|socket| socket.ip()).find(wanted)
}

fn connectedness(value: Connectedness) -> &'static str {
    match value {
        Connectedness::NotConnected => "NotConnected",
        Connectedness::Connected => "Connected",
        Connectedness::CannotConnect => "CannotConnect",
    }
}

struct Trace {
    gater: KonaGater,
    now: Instant,
}

impl Trace {
    fn step(&mut self, op: &str, arg: &str) -> Value {
        let gater = &mut self.gater;
        let address = || arg.parse::<Multiaddr>().expect("an address");
        let peer = || arg.parse::<PeerId>().expect("a peer id");
        match op {
            "can_dial" => {
                return match gater.can_dial(&address(), self.now, resolve) {
                    Ok(()) => "ok".into(),
                    Err(refusal) => format!("{refusal:?}").into(),
                };
            }
            "can_disconnect" => return gater.can_disconnect(&address()).into(),
            "connectedness" => return connectedness(gater.connectedness(&peer())).into(),
            "dialing" => gater.dialing(&address()),
            "dialed" => gater.dialed(&address(), self.now),
            "remove_dial" => gater.remove_dial(&peer()),
            "block_peer" | "unblock_peer" => gater.set_peer_blocked(peer(), op == "block_peer"),
            "block_addr" | "unblock_addr" => gater.set_address_blocked(arg.parse().unwrap(), op == "block_addr"),
            "block_subnet" | "unblock_subnet" => {
                gater.set_subnet_blocked(arg.parse().unwrap(), op == "block_subnet");
            }
            "protect_peer" | "unprotect_peer" => gater.set_protected(peer(), op == "protect_peer"),
            "advance_ms" => self.now += Duration::from_millis(arg.parse().unwrap()),
            other => panic!("unknown step {other}"),
        }
        Value::Null
    }
}

#[test]
fn every_step_of_every_trace() {
    let file = vector_file("gater.json");
    let data = &file["data"];
    assert_eq!(data.as_object().unwrap().len(), 2, "beside the note and the traces nothing is read");
    let traces = data["traces"].as_array().unwrap();
    counted(traces.len(), 13);
    let mut steps = 0;
    for trace in traces {
        assert_eq!(trace.as_object().unwrap().len(), 4, "a field was not read");
        let name = trace["name"].as_str().unwrap();
        let redialing = trace.get("peer_redialing").map(|value| (value.is_null(), value.as_u64())).unwrap();
        assert!(redialing.0 != redialing.1.is_some(), "{name}: peer_redialing");
        let period = Duration::from_millis(trace["dial_period_ms"].as_u64().unwrap());
        let mut run = Trace { gater: KonaGater::new(redialing.1, period), now: Instant::now() };
        for (at, step) in trace["steps"].as_array().unwrap().iter().enumerate() {
            let [op, arg, result] = step.as_array().unwrap().as_slice() else { panic!("{name}: step {at}") };
            let (op, arg) = (op.as_str().unwrap(), arg.as_str().unwrap());
            assert_eq!(run.step(op, arg), *result, "{name}: step {at}: {op} {arg}");
            steps += 1;
        }
    }
    counted(steps, 157);
}
