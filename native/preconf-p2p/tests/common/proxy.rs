//! A line between two nodes that can go dead.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol as Part};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket, tcp},
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
};

/// What the line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It carries both ways.
    Open,
    /// It carries both ways, slowly (TCP): some 100 kB a second.
    Trickle,
    /// It carries from who dialled alone (TCP).
    OneWay,
    /// It takes nothing from either side and closes nothing, as a host that vanished.
    Stopped,
}

/// A line on loopback in front of one listening node.
pub struct Proxy {
    address: Multiaddr,
    mode: watch::Sender<Mode>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn port_of(address: &Multiaddr) -> u16 {
    let port = |part| match part {
        Part::Tcp(port) | Part::Udp(port) => Some(port),
        _ => None,
    };
    address.iter().find_map(port).expect("a port")
}

impl Proxy {
    /// In front of a TCP listener.
    pub async fn tcp(target: &Multiaddr) -> Self {
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port_of(target)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mode, watched) = watch::channel(Mode::Open);
        let task = tokio::spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let watched = watched.clone();
                lines.spawn(async move {
                    let Ok(far) = TcpStream::connect(target).await else { return };
                    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
                    let (there, back) = ([Mode::Stopped].as_slice(), [Mode::Stopped, Mode::OneWay].as_slice());
                    tokio::join!(
                        carry(near_read, far_write, watched.clone(), there),
                        carry(far_read, near_write, watched, back)
                    );
                });
            }
        });
        let address = Multiaddr::empty().with(Part::Ip4(Ipv4Addr::LOCALHOST)).with(Part::Tcp(port));
        Self { address, mode, task }
    }

    /// In front of a QUIC listener.
    pub async fn quic(target: &Multiaddr) -> Self {
        let target = SocketAddr::from((Ipv4Addr::LOCALHOST, port_of(target)));
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
        let port = socket.local_addr().unwrap().port();
        let (mode, watched) = watch::channel(Mode::Open);
        let task = tokio::spawn(async move {
            let mut flows: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
            let mut tasks = JoinSet::new();
            let mut datagram = vec![0; 65_536];
            while let Ok((len, from)) = socket.recv_from(&mut datagram).await {
                if *watched.borrow() == Mode::Stopped {
                    continue;
                }
                let flow = flows.entry(from).or_insert_with(|| {
                    let (give, take) = mpsc::channel(4096);
                    tasks.spawn(flow(Arc::clone(&socket), from, target, take, watched.clone()));
                    give
                });
                let _ = flow.try_send(datagram[..len].to_vec());
            }
        });
        let address = Multiaddr::empty().with(Part::Ip4(Ipv4Addr::LOCALHOST)).with(Part::Udp(port)).with(Part::QuicV1);
        Self { address, mode, task }
    }

    /// Where the node behind it is to be dialled.
    pub fn address_of(&self, peer: PeerId) -> Multiaddr {
        self.address.clone().with(Part::P2p(peer))
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn carry(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
    dead: &[Mode],
) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        if mode.wait_for(|mode| !dead.contains(mode)).await.is_err() {
            return;
        }
        // A look at the mode now and then: what is on its way when the line goes dead is not held up by a read.
        let Ok(read) = tokio::time::timeout(Duration::from_millis(20), from.readable()).await else { continue };
        if read.is_err() || dead.contains(&mode.borrow()) {
            continue;
        }
        let mut limit = bytes.len();
        if *mode.borrow() == Mode::Trickle {
            tokio::time::sleep(Duration::from_millis(20)).await;
            limit = 2 << 10;
        }
        match from.read(&mut bytes[..limit]).await {
            Ok(count) if count > 0 && to.write_all(&bytes[..count]).await.is_ok() => {}
            _ => return,
        }
    }
}

async fn flow(
    near: Arc<UdpSocket>,
    from: SocketAddr,
    target: SocketAddr,
    mut take: mpsc::Receiver<Vec<u8>>,
    mode: watch::Receiver<Mode>,
) {
    let far = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    far.connect(target).await.unwrap();
    let mut datagram = vec![0; 65_536];
    loop {
        tokio::select! {
            given = take.recv() => match given {
                Some(given) => drop(far.send(&given).await),
                None => return,
            },
            Ok(len) = far.recv(&mut datagram) => {
                if *mode.borrow() == Mode::Open {
                    let _ = near.send_to(&datagram[..len], from).await;
                }
            }
        }
    }
}
