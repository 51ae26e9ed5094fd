//! Peers that are no nodes of ours: plain libp2p, to say what our nodes never would.

use std::{io, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, Transport,
    core::{transport::MemoryTransport, upgrade::Version},
    gossipsub,
    identity::Keypair,
    noise,
    request_response::{self, ProtocolSupport},
    swarm::{self, NetworkBehaviour, SwarmEvent},
    yamux,
};
use preconf_p2p::{MessageIdMode, Protocol, Topic, gossip::message_id, protocol_name, topic_name};

/// A swarm of the in-process transport.
pub fn swarm<B: NetworkBehaviour>(keypair: &Keypair, behaviour: B) -> Swarm<B> {
    let transport = MemoryTransport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let config = swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(60));
    Swarm::new(transport, behaviour, keypair.public().to_peer_id(), config)
}

/// Runs a swarm until it has a connection with `peer`.
pub async fn until_connected<B: NetworkBehaviour>(swarm: &mut Swarm<B>, peer: PeerId) {
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { peer_id, .. } if peer_id == peer => return,
            SwarmEvent::OutgoingConnectionError { error, .. } => panic!("dial: {error}"),
            _ => {}
        }
    }
}

/// A plain gossipsub peer subscribed to both topics.
pub fn gossipsub(
    keypair: &Keypair,
    chain_id: u64,
    change: impl FnOnce(&mut gossipsub::ConfigBuilder),
) -> gossipsub::Behaviour {
    let mut builder = gossipsub::ConfigBuilder::default();
    builder
        .max_transmit_size(10 << 20)
        .max_control_message_size(1 << 20)
        .heartbeat_initial_delay(Duration::from_millis(100))
        .message_id_fn(|message: &gossipsub::Message| {
            gossipsub::MessageId::new(&message_id(MessageIdMode::Kona, message.topic.as_str(), &message.data))
        });
    change(&mut builder);
    let authenticity = gossipsub::MessageAuthenticity::Signed(keypair.clone());
    let mut behaviour: gossipsub::Behaviour =
        gossipsub::Behaviour::new(authenticity, builder.build().unwrap()).unwrap();
    for topic in Topic::ALL {
        behaviour.subscribe(&gossipsub::IdentTopic::new(topic_name(chain_id, topic))).unwrap();
    }
    behaviour
}

/// Writes what it is given, as it is, and reads to the end: no frames, no caps.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Verbatim {
    /// At once.
    #[default]
    Prompt,
    /// A byte now and then, and the last one again and again, for ever.
    Dripping,
    /// At once, but it never reads an answer.
    Deaf,
}

impl Verbatim {
    async fn write<T: AsyncWrite + Unpin>(self, io: &mut T, bytes: &[u8]) -> io::Result<()> {
        if self != Self::Dripping {
            return io.write_all(bytes).await;
        }
        for byte in bytes.iter().chain(std::iter::repeat(bytes.last().expect("a byte to drip"))) {
            io.write_all(&[*byte]).await?;
            io.flush().await?;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

async fn read_all<T: AsyncRead + Unpin>(io: &mut T) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

impl request_response::Codec for Verbatim {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_all(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        if *self == Self::Deaf {
            std::future::pending::<()>().await;
        }
        read_all(io).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.write(io, &bytes).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.write(io, &bytes).await
    }
}

/// A peer that speaks one of the request protocols verbatim.
pub fn requests(chain_id: u64, protocol: Protocol) -> request_response::Behaviour<Verbatim> {
    requests_of(Verbatim::Prompt, chain_id, protocol)
}

/// The same in its own manner, with all the time in the world.
pub fn requests_of(manner: Verbatim, chain_id: u64, protocol: Protocol) -> request_response::Behaviour<Verbatim> {
    let name = StreamProtocol::try_from_owned(protocol_name(chain_id, protocol)).unwrap();
    let config = request_response::Config::default().with_request_timeout(Duration::from_secs(600));
    request_response::Behaviour::with_codec(manner, [(name, ProtocolSupport::Full)], config)
}

/// A peer that writes what it likes to gossipsub's streams.
pub fn gossip_streams() -> request_response::Behaviour<Verbatim> {
    let name = StreamProtocol::new("/meshsub/1.1.0");
    request_response::Behaviour::with_codec(
        Verbatim::Prompt,
        [(name, ProtocolSupport::Outbound)],
        request_response::Config::default(),
    )
}

/// One frame of gossipsub with these messages, each under its topic, all signed by `keypair`.
pub fn gossip_frame(keypair: &Keypair, messages: &[(&str, &[u8])]) -> Vec<u8> {
    let field = |tag: u8, bytes: &[u8]| [&[tag][..], &length(bytes.len()), bytes].concat();
    let rpc: Vec<u8> = messages
        .iter()
        .zip(1u64..)
        .flat_map(|((topic, data), number)| {
            let author = keypair.public().to_peer_id().to_bytes();
            let unsigned = [
                field(0x0a, &author),
                field(0x12, data),
                field(0x1a, &number.to_be_bytes()),
                field(0x22, topic.as_bytes()),
            ]
            .concat();
            let signature = keypair.sign(&[b"libp2p-pubsub:", &unsigned[..]].concat()).unwrap();
            field(0x12, &[unsigned, field(0x2a, &signature)].concat())
        })
        .collect();
    [length(rpc.len()), rpc].concat()
}

fn length(len: usize) -> Vec<u8> {
    let (bytes, used) = preconf_p2p::reqresp::encode_length(len.try_into().unwrap());
    bytes[..used].to_vec()
}

/// Listens on a fresh in-process address and returns it, with the peer id.
pub fn listen<B: NetworkBehaviour>(swarm: &mut Swarm<B>) -> Multiaddr {
    let address: Multiaddr = super::memory().parse().unwrap();
    swarm.listen_on(address.clone()).unwrap();
    address.with(libp2p::multiaddr::Protocol::P2p(*swarm.local_peer_id()))
}
