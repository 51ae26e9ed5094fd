//! The network's payloads (design: the wire protocol, sections 1 to 3) as far as a host of these benchmarks needs them.

use keccak_asm::{Digest, Keccak256};
use secp256k1::{
    SecretKey,
    ecdsa::{RecoverableSignature, RecoveryId},
};

/// Bytes of a `SignedCommitment`.
pub const COMMITMENT: usize = 382;
/// Bytes of its `PreconfCommitment`, which is what is signed.
const SIGNED: usize = 317;
/// Bytes of its `Preconfirmation`, which a child names by its hash.
const PRECONFIRMATION: usize = 297;
/// Bytes before a txlist: its hash and the offset.
pub const TXLIST_PREFIX: usize = 36;
/// Bytes of the longest txlist.
const MAX_TXLIST: usize = 2 << 20;
/// Commitments in a response at most.
pub const PAGE: usize = 256;
/// What signing hashes start with until a chain says otherwise.
const DOMAIN: &[u8; 32] = b"TAIKO_PRECONF_DOMAIN_PLACEHOLDER";

/// A 32-byte hash.
pub type Hash = [u8; 32];
/// A 20-byte address.
pub type Address = [u8; 20];

/// keccak-256 of the parts one behind the other.
pub fn keccak(parts: &[&[u8]]) -> Hash {
    let mut hash = Keccak256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// A decoded `SignedCommitment`: every field has its place, and `eop` is 0 or 1.
#[derive(Clone, Copy)]
pub struct Commitment([u8; COMMITMENT]);

impl Commitment {
    /// Decodes one; `None` when it has another length or `eop` is no bool.
    pub fn decode(data: &[u8]) -> Option<Self> {
        let bytes: [u8; COMMITMENT] = data.try_into().ok()?;
        (bytes[0] <= 1).then_some(Self(bytes))
    }

    /// A commitment for a block, signed; without a txlist, so it ends a window.
    pub fn sign(block: u64, secret: &SecretKey) -> Self {
        let mut bytes = [0; COMMITMENT];
        bytes[0] = 1;
        for (at, value) in
            [(1, block), (33, 1_744_218_460 + 2 * block), (65, 60_000_000), (213, 1_744_218_462 + 2 * block)]
        {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let hash = keccak(&[DOMAIN, &bytes[..SIGNED]]);
        let (id, signature) = sign(hash, secret).serialize_compact();
        bytes[SIGNED..COMMITMENT - 1].copy_from_slice(&signature);
        bytes[COMMITMENT - 1] = id.into();
        Self(bytes)
    }

    /// Its encoding.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The block's number. Those of these benchmarks fit in 64 bits; a larger one is cut to its low bits.
    pub fn block(&self) -> u64 {
        u64::from_le_bytes(self.0[1..9].try_into().expect("8 bytes"))
    }

    /// What a child names as its parent.
    pub fn preconfirmation_hash(&self) -> Hash {
        keccak(&[&self.0[..PRECONFIRMATION]])
    }

    /// The rules that need nothing else, signature included.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<Address, &'static str> {
        let signer = self.signer().ok_or("the signature does not recover")?;
        if self.0[SIGNED + 32..SIGNED + 64] > HALF_ORDER[..] {
            return Err("the signature has a high s");
        }
        if self.0[0] == 0 && self.0[149..181] == [0; 32] {
            return Err("neither the end of a window nor a txlist");
        }
        Ok(signer)
    }

    /// Who signed, if anyone can have.
    pub fn signer(&self) -> Option<Address> {
        let hash = keccak(&[DOMAIN, &self.0[..SIGNED]]);
        recover(hash, &self.0[SIGNED..])
    }
}

/// n / 2, rounded down, n being the order of secp256k1's group.
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e,
    0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

fn message(hash: Hash) -> secp256k1::Message {
    secp256k1::Message::from_digest(hash)
}

/// A signature of a hash: libsecp256k1 and nothing else.
pub fn sign(hash: Hash, secret: &SecretKey) -> RecoverableSignature {
    RecoverableSignature::sign_ecdsa_recoverable(message(hash), secret)
}

/// The address that made a signature of 65 bytes.
pub fn recover(hash: Hash, signature: &[u8]) -> Option<Address> {
    let key = recover_key(hash, signature)?.serialize_uncompressed();
    let mut address = [0; 20];
    address.copy_from_slice(&keccak(&[&key[1..]])[12..]);
    Some(address)
}

/// The public key that made a signature of 65 bytes: libsecp256k1 and nothing else.
pub fn recover_key(hash: Hash, signature: &[u8]) -> Option<secp256k1::PublicKey> {
    let id = RecoveryId::try_from(i32::from(*signature.get(64)?)).ok()?;
    RecoverableSignature::from_compact(&signature[..64], id).ok()?.recover(message(hash)).ok()
}

/// The encoding of a `RawTxListGossip` or `GetRawTxListResponse`, which is the same.
pub fn encode_txlist(hash: &Hash, txlist: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(TXLIST_PREFIX + txlist.len());
    out.extend_from_slice(hash);
    out.extend_from_slice(&(TXLIST_PREFIX as u32).to_le_bytes());
    out.extend_from_slice(txlist);
    out
}

/// The hash and the bytes of an encoded txlist; `None` when it is not one.
pub fn decode_txlist(data: &[u8]) -> Option<(Hash, &[u8])> {
    let (prefix, txlist) = data.split_at_checked(TXLIST_PREFIX)?;
    let right = prefix[32..] == (TXLIST_PREFIX as u32).to_le_bytes() && txlist.len() <= MAX_TXLIST;
    right.then(|| (prefix[..32].try_into().expect("32 bytes"), txlist))
}

/// The encoding of a `GetHeadRequest`.
pub const HEAD_REQUEST: [u8; 4] = 4u32.to_le_bytes();

/// The encoding of a `PreconfHead`.
pub fn encode_head(block: u64, window_end: u64) -> Vec<u8> {
    let mut out = vec![0; 64];
    out[..8].copy_from_slice(&block.to_le_bytes());
    out[32..40].copy_from_slice(&window_end.to_le_bytes());
    out
}

/// The block number of an encoded `PreconfHead`.
pub fn decode_head(data: &[u8]) -> Option<u64> {
    let head: &[u8; 64] = data.try_into().ok()?;
    Some(u64::from_le_bytes(head[..8].try_into().expect("8 bytes")))
}

/// The encoding of a `GetCommitmentsByNumberRequest`.
pub fn encode_page_request(start: u64, count: u32) -> Vec<u8> {
    let mut out = vec![0; 36];
    out[..8].copy_from_slice(&start.to_le_bytes());
    out[32..].copy_from_slice(&count.to_le_bytes());
    out
}

/// First block and count of an encoded `GetCommitmentsByNumberRequest`.
pub fn decode_page_request(data: &[u8]) -> Option<(u64, usize)> {
    let request: &[u8; 36] = data.try_into().ok()?;
    let start = u64::from_le_bytes(request[..8].try_into().expect("8 bytes"));
    let count = u32::from_le_bytes(request[32..].try_into().expect("4 bytes"));
    (request[8..32] == [0; 24]).then_some((start, usize::try_from(count).ok()?.min(PAGE)))
}

/// The commitments of an encoded `GetCommitmentsByNumberResponse`.
pub fn decode_page(data: &[u8]) -> Option<Vec<Commitment>> {
    let (offset, list) = data.split_at_checked(4)?;
    if offset != 4u32.to_le_bytes() || list.len() % COMMITMENT != 0 || list.len() > PAGE * COMMITMENT {
        return None;
    }
    list.chunks_exact(COMMITMENT).map(Commitment::decode).collect()
}
