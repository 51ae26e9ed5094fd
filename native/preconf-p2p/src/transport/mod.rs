//! The transports: TCP with DNS, QUIC, in-process memory, relayed circuits; each connection metered.

use std::{sync::Arc, time::Duration};

use libp2p::{
    PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, MemoryTransport, upgrade::Version},
    },
    dns,
    identity::Keypair,
    noise, quic, relay, tcp, yamux,
};

use crate::{
    Config, Protocol, StartError,
    gater::{Gate, Gated},
    protocol_name,
    stats::Counters,
};

mod cork;
mod ledger;
mod load;
mod meter;
mod optimistic;
mod wire;

pub(crate) use ledger::{Budget, Health, Ledger, Ledgers, Room, Watch};
pub(crate) use load::{Load, LoadCaps};
#[cfg(feature = "fuzzing")]
pub(crate) use optimistic::Negotiation;
pub(crate) use optimistic::Proposals;
pub(crate) use wire::Fingerprint;
#[cfg(feature = "fuzzing")]
pub(crate) use wire::Frames;

/// Bytes that a QUIC stream, and a connection with all of its streams, may hold unread: half of the largest message at once,
/// and a few streams in full.
const QUIC_STREAM_BYTES: u32 = 1 << 20;
const QUIC_CONNECTION_BYTES: u32 = 4 << 20;

/// Dial, encryption and muxer negotiation together end within this.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

type Connections = Boxed<(PeerId, StreamMuxerBox)>;

/// The node's transport, as configured. TCP comes first wherever an address leaves a choice.
pub(crate) fn build(
    config: &Config,
    keypair: &Keypair,
    counters: &Arc<Counters>,
    ledgers: &Arc<Ledgers>,
    gate: &Arc<Gate>,
    relay: Option<relay::client::Transport>,
) -> Result<Connections, StartError> {
    let mut transports = Vec::new();
    if config.enable_tcp {
        let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
        transports.push(secured(tcp, keypair)?);
    }
    if config.enable_quic {
        let quic = quic::tokio::Transport::new(quic_config(keypair));
        transports.push(quic.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed());
    }
    // Below DNS, so that the gate sees what names resolve to.
    let gated = |transport| Gated::new(transport, Arc::clone(gate)).boxed();
    let mut transport = transports.into_iter().reduce(or).map(gated).map(with_dns).transpose()?;
    if config.enable_memory {
        let memory = secured(MemoryTransport::default(), keypair)?;
        transport = Some(match transport {
            // First, for DNS claims every address.
            Some(others) => or(memory, others),
            None => memory,
        });
    }
    transport = match (relay, transport) {
        // Before DNS for the same reason. It dials the relay through all of the others.
        (Some(relay), Some(others)) => Some(or(secured(relay, keypair)?, others)),
        (_, others) => others,
    };
    let transport = transport.ok_or_else(|| StartError::Config("no transport is enabled".to_owned()))?;
    let (counters, ledgers) = (Arc::clone(counters), Arc::clone(ledgers));
    let proposals = Proposals::new(Protocol::ALL.map(|protocol| protocol_name(config.chain_id, protocol)));
    Ok(transport
        .map(move |(peer, muxer), _| {
            let metered = meter::Metered::new(muxer, Arc::clone(&counters), ledgers.of(peer), proposals.clone());
            (peer, StreamMuxerBox::new(metered))
        })
        .boxed())
}

fn quic_config(keypair: &Keypair) -> quic::Config {
    let mut config = quic::Config::new(keypair);
    (config.max_stream_data, config.max_connection_data) = (QUIC_STREAM_BYTES, QUIC_CONNECTION_BYTES);
    config
}

fn or(first: Connections, second: Connections) -> Connections {
    first.or_transport(second).map(|either, _| either.into_inner()).boxed()
}

fn secured<T>(transport: T, keypair: &Keypair) -> Result<Connections, StartError>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: futures::AsyncRead + futures::AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send,
    T::ListenerUpgrade: Send,
{
    let noise = noise::Config::new(keypair).map_err(|error| StartError::Transport(error.to_string()))?;
    Ok(transport
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(cork::Corking(yamux::Config::default()))
        .timeout(HANDSHAKE_TIMEOUT)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed())
}

/// Resolves `/dns` addresses before the dial. Without a usable resolver configuration they stay unsupported.
fn with_dns(transport: Connections) -> Result<Connections, StartError> {
    // A failed try consumes the transport, so the configuration is tried on one that nobody needs.
    if let Err(error) = dns::tokio::Transport::system(MemoryTransport::default()) {
        tracing::warn!(%error, "no usable DNS configuration: /dns addresses can't be dialled");
        return Ok(transport);
    }
    let transport = dns::tokio::Transport::system(transport)
        .map_err(|error| StartError::Transport(format!("the system's DNS configuration: {error}")))?;
    Ok(transport.boxed())
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::Pin};

    use futures::{AsyncWrite, FutureExt, StreamExt};
    use libp2p::{
        Multiaddr,
        core::{
            Endpoint, StreamMuxer,
            transport::{DialOpts, ListenerId, PortUse, TransportEvent},
        },
        multiaddr::Protocol,
    };

    use super::*;

    /// Where the transport listens.
    pub(super) async fn listen<T: 'static>(transport: &mut Boxed<T>, at: &str) -> Multiaddr {
        transport.listen_on(ListenerId::next(), at.parse().unwrap()).unwrap();
        match transport.select_next_some().await {
            TransportEvent::NewAddress { listen_addr, .. } => listen_addr,
            event => panic!("{event:?}"),
        }
    }

    /// A connection from one transport to another that listens: its ends.
    pub(super) async fn connect<T: Transport>(
        one: &mut T,
        other: &mut Boxed<T::Output>,
        address: Multiaddr,
    ) -> (T::Output, T::Output) {
        let dial = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
        let dialled = one.dial(address, dial).unwrap();
        let accepted = async {
            loop {
                if let TransportEvent::Incoming { upgrade, .. } = other.select_next_some().await {
                    return upgrade.await.unwrap();
                }
            }
        };
        let (dialled, accepted) = tokio::join!(dialled, accepted);
        (dialled.unwrap(), accepted)
    }

    /// What a stream takes that nobody reads, and then what others of its connection take.
    #[tokio::test]
    async fn what_a_quic_connection_holds_unread_is_bounded() {
        let make = || quic::tokio::Transport::new(quic_config(&Keypair::generate_ed25519()));
        let (mut one, mut other) = (make(), make().boxed());
        let address = listen(&mut other, "/ip4/127.0.0.1/udp/0/quic-v1").await;
        assert!(address.iter().any(|part| part == Protocol::QuicV1));
        let ((_, mut writer), (_, mut reader)) = connect(&mut one, &mut other, address).await;
        let mut taken = Vec::new();
        let mut held = Vec::new();
        for _ in 0..8 {
            let mut stream = poll_fn(|cx| Pin::new(&mut writer).poll_outbound(cx)).await.unwrap();
            taken.push(fill(&mut stream).await);
            let inbound = poll_fn(|cx| Pin::new(&mut reader).poll_inbound(cx)).now_or_never();
            held.push((stream, inbound));
        }
        assert_eq!(taken[0], QUIC_STREAM_BYTES as usize);
        assert_eq!(taken.iter().sum::<usize>(), QUIC_CONNECTION_BYTES as usize, "{taken:?}");
    }

    /// Writes until nothing more is taken for a while.
    async fn fill<T: AsyncWrite + Unpin>(stream: &mut T) -> usize {
        let (bytes, mut taken) = ([7; 16 << 10], 0);
        loop {
            let write = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, &bytes));
            match tokio::time::timeout(Duration::from_millis(500), write).await {
                Ok(count) => taken += count.unwrap(),
                Err(_) => return taken,
            }
        }
    }
}
