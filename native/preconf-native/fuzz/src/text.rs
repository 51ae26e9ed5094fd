//! Texts that people and programs write: addresses, peer ids, targets of a block, bootnodes. What is taken says the same when it is
//! written out and read again.

use std::{ptr, str};

use libp2p::{Multiaddr, PeerId};
use preconf_native::{
    abi::{PcnBytes, PcnStatus},
    exports::wire,
};
use preconf_p2p::{fuzzing::bootnode, gater::Target};

pub(crate) fn run(data: &[u8]) {
    let bytes = PcnBytes { ptr: data.as_ptr(), len: data.len() };
    let (mut buffer, mut len) = ([0; 256], usize::MAX);
    // SAFETY: everything lives through the calls.
    let (address, peer) = unsafe {
        (
            wire::pcn_multiaddr_check(bytes, buffer.as_mut_ptr(), buffer.len(), &mut len, ptr::null_mut()),
            wire::pcn_peer_id_check(bytes, ptr::null_mut()),
        )
    };
    let Ok(text) = str::from_utf8(data) else {
        assert_eq!((address, peer), (PcnStatus::InvalidArgument, PcnStatus::InvalidArgument));
        return;
    };
    match address {
        PcnStatus::Ok => {
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
    if let Ok(target) = text.parse::<Target>() {
        assert_eq!(target.to_string().parse().as_ref(), Ok(&target), "{text:?}");
    }
    if let Ok(Some(address)) = bootnode(text) {
        assert_eq!(bootnode(&address.to_string()).expect("it was taken"), Some(address), "{text:?}");
    }
}
