//! Texts that people and programs write: addresses, peer ids, targets of a block, bootnodes. What is taken says the same when it is
//! written out and read again.

use std::str;

use libp2p::{Multiaddr, PeerId};
use preconf_native::{
    abi::{PcnBytes, PcnDetail, PcnStatus},
    exports::wire,
};
use preconf_p2p::{fuzzing::bootnode, gater::Target};

use crate::reached;

/// What its inputs come to.
pub(crate) const ENDS: &[&str] = &[
    "no text",
    "address",
    "peer id",
    "no peer id",
    "block of a peer",
    "block of an address",
    "block of a subnet",
    "bootnode",
    "record",
    "no bootnode",
];

pub(crate) fn run(data: &[u8]) {
    let bytes = PcnBytes { ptr: data.as_ptr(), len: data.len() };
    let (mut buffer, mut len) = ([0; 256], usize::MAX);
    let [mut wrong_address, mut wrong_peer] = [(); 2].map(|()| PcnDetail { code: 0, len: 0, text: [0; 1016] });
    // SAFETY: everything lives through the calls.
    let (address, peer) = unsafe {
        (
            wire::pcn_multiaddr_check(bytes, buffer.as_mut_ptr(), buffer.len(), &mut len, &mut wrong_address),
            wire::pcn_peer_id_check(bytes, &mut wrong_peer),
        )
    };
    for (status, detail) in [(address, &wrong_address), (peer, &wrong_peer)] {
        let told = str::from_utf8(&detail.text[..detail.len as usize]).expect("UTF-8");
        assert_eq!((detail.code, told.is_empty()), (status as i32, status == PcnStatus::Ok));
    }
    let Ok(text) = str::from_utf8(data) else {
        assert_eq!((address, peer), (PcnStatus::InvalidArgument, PcnStatus::InvalidArgument));
        reached("no text");
        return;
    };
    match address {
        PcnStatus::Ok => {
            reached("address");
            let parsed: Multiaddr = text.parse().expect("it was taken");
            let named = str::from_utf8(&buffer[..len]).expect("base58");
            assert!(
                named.is_empty()
                    || named.parse::<PeerId>().is_ok_and(|id| parsed.to_string().contains(&id.to_base58()))
            );
        }
        PcnStatus::InvalidArgument => assert_eq!(len, usize::MAX),
        other => panic!("{other:?} for {text:?}"),
    }
    assert_eq!(peer == PcnStatus::Ok, text.parse::<PeerId>().is_ok(), "{text:?}");
    reached(if peer == PcnStatus::Ok { "peer id" } else { "no peer id" });
    if let Ok(target) = text.parse::<Target>() {
        reached(match target {
            Target::Peer(_) => "block of a peer",
            Target::Address(_) => "block of an address",
            Target::Subnet(_) => "block of a subnet",
        });
        assert_eq!(target.to_string().parse().as_ref(), Ok(&target), "{text:?}");
    }
    let parsed = bootnode(text);
    reached(match parsed {
        Ok(Some(_)) => "bootnode",
        Ok(None) => "record",
        Err(_) => "no bootnode",
    });
    if let Ok(Some(address)) = parsed {
        assert_eq!(bootnode(&address.to_string()).expect("it was taken"), Some(address), "{text:?}");
    }
}
