//! Nodes that find each other, over real sockets on loopback.

use std::{
    fmt::{self, Write as _},
    fs,
    net::{SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use preconf_p2p::{Config, DiscoveryConfig, Event, IdentitySource, Node, PeerLimits, StartError};
use tokio::time::timeout;
use tracing::{Level, Metadata, Subscriber, field, span};

mod common;

use common::{TestNode, config};

/// All must be connected with each other within this.
const FOUND: Duration = Duration::from_secs(30);

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("preconf-discovery-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A node on one loopback address with its key and record in `folder`.
fn finder(ip: &str, folder: &Path, bootnodes: &[String]) -> Config {
    let (family, socket) = if ip.contains(':') { ("ip6", format!("[{ip}]:0")) } else { ("ip4", format!("{ip}:0")) };
    let discovery = DiscoveryConfig {
        listen: vec![socket.parse().unwrap()],
        bootnodes: bootnodes.to_vec(),
        record_file: Some(folder.join("enr")),
    };
    fs::create_dir_all(folder).unwrap();
    Config {
        discovery: Some(discovery),
        local_network: true,
        identity: IdentitySource::File(folder.join("key")),
        ..config(&[&format!("/{family}/{ip}/tcp/0")])
    }
}

/// Waits until the node is connected with so many peers.
async fn peers(node: &TestNode, count: u64, time: Duration) {
    let all = async {
        while node.handle.stats().peers < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(time, all).await.is_err() {
        panic!("{} has {} peers of {count} after {time:?}", node.id, node.handle.stats().peers);
    }
}

async fn stop(node: TestNode) {
    node.handle.stop();
    node.task.await.unwrap();
}

fn sequence(record: &str) -> u64 {
    record.parse::<discv5::Enr>().unwrap().seq()
}

/// Four nodes of which three know only the first's record; then one of the three starts over.
async fn four_find_each_other(name: &str, ip: &str) {
    let folder = Folder::new(name);
    let place = |index: usize| folder.0.join(index.to_string());
    let first = TestNode::start(finder(ip, &place(0), &[])).await;
    let bootnode = [first.handle.record().unwrap()];
    let mut nodes = vec![first];
    let begun = Instant::now();
    for index in 1..4 {
        nodes.push(TestNode::start(finder(ip, &place(index), &bootnode)).await);
    }
    for node in &nodes {
        peers(node, 3, FOUND.saturating_sub(begun.elapsed())).await;
    }
    println!("{name}: connected after {:?}", begun.elapsed());

    let last = nodes.pop().unwrap();
    let (id, before) = (last.id, sequence(&last.handle.record().unwrap()));
    stop(last).await;
    let again = TestNode::start(finder(ip, &place(3), &bootnode)).await;
    let begun = Instant::now();
    assert_eq!(again.id, id);
    assert!(sequence(&again.handle.record().unwrap()) > before);
    peers(&again, 3, Duration::from_secs(10)).await;
    println!("{name}: back after {:?}", begun.elapsed());
    for node in nodes.into_iter().chain([again]) {
        stop(node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_that_know_only_the_fourth_find_each_other() {
    four_find_each_other("v4", "127.0.0.1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_that_know_only_the_fourth_find_each_other_over_ipv6() {
    if UdpSocket::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no IPv6 loopback");
        return;
    }
    four_find_each_other("v6", "::1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootnode_is_found_by_its_enode_and_its_multiaddr() {
    let folder = Folder::new("forms");
    let first = TestNode::start(finder("127.0.0.1", &folder.0.join("0"), &[])).await;
    let record: discv5::Enr = first.handle.record().unwrap().parse().unwrap();
    let udp = record.udp4().unwrap();
    let enr::CombinedPublicKey::Secp256k1(key) = record.public_key() else { panic!("a secp256k1 key") };
    let hex = key.to_sec1_point(false).as_bytes()[1..].iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let forms = [
        format!("enode://{hex}@127.0.0.1:{udp}"),
        format!("/ip4/127.0.0.1/udp/{udp}/p2p/{}", first.id),
        first.address().to_string(),
    ];
    for (index, form) in forms.into_iter().enumerate() {
        let node = TestNode::start(finder("127.0.0.1", &folder.0.join(format!("{}", index + 1)), &[form])).await;
        peers(&node, 1, FOUND).await;
        stop(node).await;
    }
    stop(first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_chain_is_not_dialled() {
    let folder = Folder::new("chains");
    let first = TestNode::start(finder("127.0.0.1", &folder.0.join("0"), &[])).await;
    let bootnode = [first.handle.record().unwrap()];
    let mut stranger =
        TestNode::start(Config { chain_id: 1, ..finder("127.0.0.1", &folder.0.join("1"), &bootnode) }).await;
    let same = TestNode::start(finder("127.0.0.1", &folder.0.join("2"), &bootnode)).await;
    peers(&same, 1, FOUND).await;
    stranger
        .never(Duration::from_secs(8), "a connection across chains", |event| {
            matches!(event, Event::PeerConnected { .. })
        })
        .await;
    assert_eq!((first.handle.stats().peers, stranger.handle.stats().peers), (1, 0));
    for node in [first, stranger, same] {
        stop(node).await;
    }
}

/// Lines that a host would see at the default level.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl field::Visit for Text {
            fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
                let _ = write!(self.0, " {}={value:?}", field.name());
            }
        }
        let mut text = Text(format!("{} {}", event.metadata().level(), event.metadata().target()));
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[test]
fn a_bootnode_that_comes_up_later_is_found_with_few_words() {
    let lines = Lines::default();
    // All of the node runs on this thread, so no other test's lines are among them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(lines.clone(), || {
        runtime.block_on(async {
            let folder = Folder::new("late");
            // The bootnode's record must be known before it runs.
            let mut settings = finder("127.0.0.1", &folder.0.join("0"), &[]);
            let first = TestNode::start(settings.clone()).await;
            let bootnode: discv5::Enr = first.handle.record().unwrap().parse().unwrap();
            settings.listen = first.addresses.clone();
            if let Some(discovery) = &mut settings.discovery {
                discovery.listen = vec![SocketAddr::from(([127, 0, 0, 1], bootnode.udp4().unwrap()))];
            }
            stop(first).await;
            lines.0.lock().unwrap().clear();

            let node = TestNode::start(finder("127.0.0.1", &folder.0.join("1"), &[bootnode.to_base64()])).await;
            tokio::time::sleep(Duration::from_secs(20)).await;
            assert_eq!(node.handle.stats().peers, 0);
            let first = TestNode::start(settings).await;
            peers(&node, 1, Duration::from_secs(45)).await;
            stop(node).await;
            stop(first).await;
        });
    });
    let lines = lines.0.lock().unwrap();
    println!("{lines:#?}");
    assert!(lines.len() < 10, "{} lines: {lines:#?}", lines.len());
    assert!(lines.iter().any(|line| line.contains("bootnode can't be reached")), "{lines:#?}");
}

/// Runs on one thread of its own, so that no other test's lines are among those returned.
fn lines_of<F: Future<Output = ()>>(run: impl FnOnce(Lines) -> F) -> Vec<String> {
    let lines = Lines::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(lines.clone(), || runtime.block_on(run(lines.clone())));
    let all = lines.0.lock().unwrap().clone();
    println!("{all:#?}");
    all
}

/// A node's settings that it can be started with again at the same sockets, and its record.
async fn with_fixed_sockets(mut settings: Config) -> (Config, String) {
    let node = TestNode::start(settings.clone()).await;
    let record = node.handle.record().unwrap();
    settings.listen = node.addresses.clone();
    let udp = record.parse::<discv5::Enr>().unwrap().udp4().unwrap();
    settings.discovery.as_mut().unwrap().listen = vec![SocketAddr::from(([127, 0, 0, 1], udp))];
    stop(node).await;
    (settings, record)
}

#[test]
fn a_second_bootnode_that_comes_up_later_joins_two_islands() {
    let lines = lines_of(|_| async {
        let folder = Folder::new("islands");
        let first = TestNode::start(finder("127.0.0.1", &folder.0.join("0"), &[])).await;
        let (second, second_record) = with_fixed_sockets(finder("127.0.0.1", &folder.0.join("1"), &[])).await;
        let both = [first.handle.record().unwrap(), second_record.clone()];
        let node = TestNode::start(finder("127.0.0.1", &folder.0.join("2"), &both)).await;
        peers(&node, 1, FOUND).await;
        // The other island knows only the second bootnode.
        let islander = TestNode::start(finder("127.0.0.1", &folder.0.join("3"), &[second_record])).await;
        tokio::time::sleep(Duration::from_secs(8)).await;
        assert_eq!(node.handle.stats().peers, 1);
        let second = TestNode::start(second).await;
        peers(&node, 3, Duration::from_secs(60)).await;
        peers(&islander, 3, Duration::from_secs(60)).await;
        for node in [first, second, node, islander] {
            stop(node).await;
        }
    });
    assert!(lines.iter().filter(|line| line.starts_with("WARN")).count() <= 4, "one for each that waited for it");
}

#[test]
fn a_bootnode_list_that_can_not_all_work_costs_a_line_each() {
    let lines = lines_of(|lines| async move {
        let folder = Folder::new("quiet");
        let (settings, own) = with_fixed_sockets(finder("127.0.0.1", &folder.0.join("0"), &[])).await;
        let other = TestNode::start(finder("127.0.0.1", &folder.0.join("1"), &[])).await;
        let record: discv5::Enr = other.handle.record().unwrap().parse().unwrap();
        // Private, and known by its socket alone, where the network is said to be the internet.
        let asked = format!("/ip4/127.0.0.1/udp/{}/p2p/{}", record.udp4().unwrap(), other.id);
        let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let down = format!("/ip4/127.0.0.1/udp/{nobody}/p2p/{}", other.id);
        let mut settings = Config { local_network: false, ..settings };
        let discovery = settings.discovery.as_mut().unwrap();
        discovery.bootnodes = vec![own, asked, down];
        lines.0.lock().unwrap().clear();
        let node = TestNode::start(settings).await;
        peers(&node, 1, FOUND).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        stop(node).await;
        stop(other).await;
    });
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!(count("is this node itself"), 1);
    assert_eq!(count("bootnode can't be reached"), 1);
    assert_eq!(lines.iter().filter(|line| line.starts_with("WARN")).count(), 1, "the one that is down");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_one_family_each_find_one_of_both() {
    if UdpSocket::bind("[::1]:0").is_err() {
        println!("skipped: this machine has no IPv6 loopback");
        return;
    }
    let folder = Folder::new("dual");
    let mut settings = finder("127.0.0.1", &folder.0.join("0"), &[]);
    settings.listen.push("/ip6/::1/tcp/0".parse().unwrap());
    settings.discovery.as_mut().unwrap().listen.push("[::1]:0".parse().unwrap());
    let both = TestNode::start(settings).await;
    let record = [both.handle.record().unwrap()];
    let mut ends = Vec::new();
    for (ip, name) in [("127.0.0.1", "1"), ("::1", "2")] {
        let mut node = TestNode::start(finder(ip, &folder.0.join(name), &record)).await;
        let is_both = |event: &Event| match event {
            Event::PeerConnected { peer, .. } if *peer == both.id => Some(()),
            _ => None,
        };
        node.wait("connected with the node of both families", is_both).await;
        ends.push(node);
    }
    peers(&both, 2, FOUND).await;
    for node in ends.into_iter().chain([both]) {
        stop(node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_tell_a_node_its_address_unless_it_is_configured() {
    let folder = Folder::new("votes");
    let first = TestNode::start(finder("127.0.0.1", &folder.0.join("0"), &[])).await;
    let bootnode = [first.handle.record().unwrap()];
    let second = TestNode::start(finder("127.0.0.1", &folder.0.join("1"), &bootnode)).await;
    let anywhere = |name: &str| {
        let mut settings = finder("127.0.0.1", &folder.0.join(name), &bootnode);
        settings.discovery.as_mut().unwrap().listen = vec![SocketAddr::from(([0, 0, 0, 0], 0))];
        // No listener tells an address.
        settings.listen.clear();
        settings
    };
    let asking = TestNode::start(anywhere("2")).await;
    let mut settings = anywhere("3");
    settings.external = vec!["/ip4/192.0.2.7/udp/7777".parse().unwrap()];
    let told = TestNode::start(settings).await;
    let socket = |node: &TestNode| node.handle.record().unwrap().parse::<discv5::Enr>().unwrap().udp4_socket();
    assert_eq!(socket(&asking), None);
    let learned = timeout(Duration::from_secs(60), async {
        while socket(&asking).is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    learned.await.expect("two others tell it where it is");
    assert!(socket(&asking).unwrap().ip().is_loopback());
    // The one that is told has had as much time and as many others.
    peers(&told, 2, FOUND).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(socket(&told), Some("192.0.2.7:7777".parse().unwrap()));
    for node in [first, second, asking, told] {
        stop(node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_full_of_those_who_came_by_themselves_still_dials_some_of_its_own_choice() {
    let folder = Folder::new("floor");
    let mut settings = finder("127.0.0.1", &folder.0.join("0"), &[]);
    settings.peers = PeerLimits { target: 3, min: 1, max: 10, min_outbound: 2 };
    settings.caps.established_incoming = Some(3);
    let mut node = TestNode::start(settings).await;
    for _ in 0..3 {
        let mut crowd = TestNode::start(config(&["/ip4/127.0.0.1/tcp/0"])).await;
        crowd.join(&mut node).await;
    }
    assert_eq!(node.handle.stats().peers, 3);
    // They can be found and can't come in.
    let bootnode = [node.handle.record().unwrap()];
    let mut found = Vec::new();
    for name in ["1", "2", "3"] {
        found.push(TestNode::start(finder("127.0.0.1", &folder.0.join(name), &bootnode)).await);
    }
    for _ in 0..2 {
        let chosen = node
            .wait("a dial of its own", |event| match event {
                Event::PeerConnected { peer, outbound: true, .. } => Some(*peer),
                _ => None,
            })
            .await;
        assert!(found.iter().any(|other| other.id == chosen));
    }
    // One that dialled this node at the same moment may take its own dial for the better one, and find no room: both begin
    // again, so connections come and go before they stay.
    let mut most = 0;
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        most = most.max(node.handle.stats().peers);
    }
    assert!(most <= 5, "{most} peers are more than the floor");
    while node.handle.stats().peers != 5 {
        node.wait("the floor", |event| matches!(event, Event::PeerConnected { .. }).then_some(())).await;
    }
    for node in found.into_iter().chain([node]) {
        stop(node).await;
    }
}

#[tokio::test]
async fn what_can_not_be_is_refused_at_the_start() {
    let folder = Folder::new("refused");
    let build_of = |change: &dyn Fn(&mut Config)| {
        let mut settings = finder("127.0.0.1", &folder.0, &[]);
        change(&mut settings);
        match Node::build(settings) {
            Ok(_) => panic!("the node was built"),
            Err(StartError::Config(text) | StartError::Discovery(text)) => text,
            Err(other) => panic!("{other}"),
        }
    };
    let build = |change: &dyn Fn(&mut DiscoveryConfig)| build_of(&|config| change(config.discovery.as_mut().unwrap()));
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap();
    assert!(build(&|discovery| discovery.listen = vec![port]).contains(&port.to_string()));
    assert!(build(&|discovery| discovery.listen.clear()).contains("no address"));
    assert!(build(&|discovery| discovery.listen.push("127.0.0.2:0".parse().unwrap())).contains("127.0.0.2:0"));
    assert!(build(&|discovery| discovery.bootnodes = vec!["enr:x".into()]).starts_with("bootnode 1 (\"enr:x\")"));
    assert!(build_of(&|config| config.external = vec!["/dns4/a.b".parse().unwrap()]).contains("/dns4/a.b"));
    assert!(build(&|discovery| discovery.record_file = Some("/nowhere/enr".into())).contains("/nowhere/enr"));
    let v6 = format!(
        "/ip6/2606:4700::1/udp/9001/p2p/{}",
        libp2p::identity::Keypair::generate_secp256k1().public().to_peer_id()
    );
    let text = build(&|discovery| discovery.bootnodes = vec![v6.clone()]);
    assert!(text.starts_with("bootnode 1 (") && text.contains("family"), "{text}");
    fs::write(folder.0.join("enr"), "nonsense").unwrap();
    assert!(build(&|_| {}).contains("is no node record"));
}
