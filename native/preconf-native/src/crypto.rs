//! keccak-256, and secp256k1 over one context shared by all threads.
//!
//! The library's own safe functions keep a context per thread and blind it anew after every signature, which costs as
//! much as signing. A context made once, blinded with fresh randomness and never changed is what libsecp256k1 asks of
//! callers that share it; hence its C functions here.

use std::sync::LazyLock;

use secp256k1::{All, Secp256k1, ffi};
use zeroize::Zeroize;

use crate::{abi::PcnStatus, guard::Failure};

static CONTEXT: LazyLock<Secp256k1<All>> = LazyLock::new(|| {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the system's random source works");
    let mut context = Secp256k1::new();
    context.seeded_randomize(&seed);
    seed.zeroize();
    context
});

fn context() -> *const ffi::Context {
    CONTEXT.ctx().as_ptr()
}

/// A valid secret key, wiped when dropped.
pub(crate) struct Secret([u8; 32]);

impl Secret {
    pub(crate) fn new(bytes: &[u8; 32]) -> Result<Self, Failure> {
        // SAFETY: the context lives for ever; 32 bytes are readable.
        if unsafe { ffi::secp256k1_ec_seckey_verify(context(), bytes.as_ptr()) } == 1 {
            Ok(Self(*bytes))
        } else {
            Err(Failure::new(PcnStatus::Crypto, "a secret key is 1 to n − 1, n being the group's order"))
        }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// keccak-256 of the parts one behind the other.
///
/// By keccak-asm, the fastest of the crates to be had: 0.86 µs for 350 bytes, 0.27 ms for 128 KiB, 4.3 ms for 2 MiB on an
/// AMD EPYC of 2024, where sha3 takes 1.06 µs, 0.33 ms, 5.3 ms and tiny-keccak 1.13 µs, 0.34 ms, 5.4 ms
/// (`examples/keccak.rs`).
pub(crate) fn keccak256(parts: &[&[u8]]) -> [u8; 32] {
    use keccak_asm::Digest;
    let mut hash = keccak_asm::Keccak256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The uncompressed public key: 0x04, x, y.
pub(crate) fn public_key(secret: &Secret) -> [u8; 65] {
    // SAFETY: a new key is only ever written to before it was made.
    let mut key = unsafe { ffi::PublicKey::new() };
    // SAFETY: the context lives for ever; the secret has 32 bytes.
    let made = unsafe { ffi::secp256k1_ec_pubkey_create(context(), &mut key, secret.0.as_ptr()) };
    assert_eq!(made, 1, "the secret key was verified");
    uncompressed(&key)
}

/// The address of a secret key.
pub(crate) fn address(secret: &Secret) -> [u8; 20] {
    address_of(&public_key(secret))
}

/// r, s, v over a hash.
pub(crate) fn sign(hash: &[u8; 32], secret: &Secret) -> [u8; 65] {
    let mut signature = ffi::recovery::RecoverableSignature::new();
    let (mut out, mut id) = ([0; 65], 0);
    // SAFETY: the context lives for ever; hash and secret have 32 bytes, the output 64 and more.
    let made = unsafe {
        ffi::recovery::secp256k1_ecdsa_sign_recoverable(
            context(),
            &mut signature,
            hash.as_ptr(),
            secret.0.as_ptr(),
            ffi::secp256k1_nonce_function_rfc6979,
            std::ptr::null(),
        ) & ffi::recovery::secp256k1_ecdsa_recoverable_signature_serialize_compact(
            context(),
            out.as_mut_ptr(),
            &mut id,
            &signature,
        )
    };
    assert_eq!(made, 1, "any hash can be signed with a verified secret key");
    out[64] = id as u8;
    out
}

/// The address that signed a hash, if there is one.
pub(crate) fn recover(hash: &[u8; 32], signature: &[u8; 65]) -> Option<[u8; 20]> {
    let id = signature[64];
    if id > 3 {
        return None;
    }
    let mut parsed = ffi::recovery::RecoverableSignature::new();
    // SAFETY: a new key is only ever written to before it was made.
    let mut key = unsafe { ffi::PublicKey::new() };
    // SAFETY: the context lives for ever; the signature has 64 bytes before its id, the hash 32; the id is 0 to 3.
    let recovered = unsafe {
        ffi::recovery::secp256k1_ecdsa_recoverable_signature_parse_compact(
            context(),
            &mut parsed,
            signature.as_ptr(),
            id.into(),
        ) == 1
            && ffi::recovery::secp256k1_ecdsa_recover(context(), &mut key, &parsed, hash.as_ptr()) == 1
    };
    recovered.then(|| address_of(&uncompressed(&key)))
}

/// Whether s is in the lower half of the order.
pub(crate) fn is_low_s(signature: &[u8; 65]) -> bool {
    /// n / 2, rounded down.
    const HALF: [u8; 32] = [
        0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57,
        0x6e, 0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
    ];
    signature[32..64] <= HALF[..]
}

/// Plain ECDSA; a high s is put low first, for libsecp256k1 refuses it otherwise.
pub(crate) fn verify(hash: &[u8; 32], signature: &[u8; 64], key: &[u8]) -> bool {
    // SAFETY: new ones are only ever written to before they were made.
    let (mut parsed_key, mut parsed, mut low) =
        unsafe { (ffi::PublicKey::new(), ffi::Signature::new(), ffi::Signature::new()) };
    // SAFETY: the context lives for ever; every pointer goes with the length that the C function reads.
    unsafe {
        ffi::secp256k1_ec_pubkey_parse(context(), &mut parsed_key, key.as_ptr(), key.len()) == 1
            && ffi::secp256k1_ecdsa_signature_parse_compact(context(), &mut parsed, signature.as_ptr()) == 1
            && {
                ffi::secp256k1_ecdsa_signature_normalize(context(), &mut low, &parsed);
                ffi::secp256k1_ecdsa_verify(context(), &low, hash.as_ptr(), &parsed_key) == 1
            }
    }
}

fn uncompressed(key: &ffi::PublicKey) -> [u8; 65] {
    let (mut out, mut len) = ([0; 65], 65);
    // SAFETY: the context lives for ever; the output has the length it is said to have.
    let written = unsafe {
        ffi::secp256k1_ec_pubkey_serialize(context(), out.as_mut_ptr(), &mut len, key, ffi::SECP256K1_SER_UNCOMPRESSED)
    };
    assert_eq!((written, len), (1, 65), "a valid key has 65 bytes");
    out
}

fn address_of(key: &[u8; 65]) -> [u8; 20] {
    let hash = keccak256(&[&key[1..]]);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    address
}
