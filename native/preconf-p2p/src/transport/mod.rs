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
    Config, StartError,
    gater::{Gate, Gated},
    stats::Counters,
};

mod ledger;
mod load;
mod meter;
mod wire;

pub(crate) use ledger::{Budget, Health, Ledger, Ledgers, Room, Watch};
pub(crate) use load::{Load, LoadCaps};
pub(crate) use wire::Fingerprint;

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
        let quic = quic::tokio::Transport::new(quic::Config::new(keypair));
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
    Ok(transport
        .map(move |(peer, muxer), _| {
            let metered = meter::Metered::new(muxer, Arc::clone(&counters), ledgers.of(peer));
            (peer, StreamMuxerBox::new(metered))
        })
        .boxed())
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
        .multiplex(yamux::Config::default())
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
