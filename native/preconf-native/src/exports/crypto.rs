//! keccak-256 and secp256k1 as plain functions; any thread, no state. All numbers are big-endian.

use crate::{
    abi::{PcnBytes, PcnStatus},
    args, crypto,
    guard::{self, Failure},
};

/// keccak-256.
///
/// # Safety
/// `data` is readable for `len` bytes; `out32` is null or writable for 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_keccak256(data: *const u8, len: usize, out32: *mut u8) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let data = unsafe { args::slice(data, len, "data") }?;
        // SAFETY: the caller's contract.
        unsafe { args::write_array(out32, &crypto::keccak256(&[data]), "out32") }
    })
}

/// keccak-256 of `a` followed by `b`.
///
/// # Safety
/// `a` and `b` are readable for their lengths; `out32` is null or writable for 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_keccak256_2(
    a: *const u8,
    a_len: usize,
    b: *const u8,
    b_len: usize,
    out32: *mut u8,
) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let (a, b) = unsafe { (args::slice(a, a_len, "a")?, args::slice(b, b_len, "b")?) };
        // SAFETY: the caller's contract.
        unsafe { args::write_array(out32, &crypto::keccak256(&[a, b]), "out32") }
    })
}

/// The uncompressed public key (0x04, x, y) of a secret key. `Crypto` when the key is zero or not below the order.
///
/// # Safety
/// `secret32` is null or readable for 32 bytes, `out65` null or writable for 65.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_public_key(secret32: *const u8, out65: *mut u8) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let secret = crypto::Secret::new(unsafe { args::array::<32>(secret32, "secret32") }?)?;
        // SAFETY: the caller's contract.
        unsafe { args::write_array(out65, &crypto::public_key(&secret), "out65") }
    })
}

/// The address of a secret key: the last 20 bytes of keccak-256 over x and y.
///
/// # Safety
/// `secret32` is null or readable for 32 bytes, `out20` null or writable for 20.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_address(secret32: *const u8, out20: *mut u8) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let secret = crypto::Secret::new(unsafe { args::array::<32>(secret32, "secret32") }?)?;
        // SAFETY: the caller's contract.
        unsafe { args::write_array(out20, &crypto::address(&secret), "out20") }
    })
}

/// Signs a hash: r, s, v with v in 0..3; s is in the lower half, the nonce is RFC 6979's.
///
/// # Safety
/// `hash32` and `secret32` are null or readable for 32 bytes, `out65` null or writable for 65.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_sign(hash32: *const u8, secret32: *const u8, out65: *mut u8) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let hash = unsafe { args::array::<32>(hash32, "hash32") }?;
        // SAFETY: the caller's contract.
        let secret = crypto::Secret::new(unsafe { args::array::<32>(secret32, "secret32") }?)?;
        // SAFETY: the caller's contract.
        unsafe { args::write_array(out65, &crypto::sign(hash, &secret), "out65") }
    })
}

/// The address that signed a hash. `Crypto` when nothing recovers: v over 3, r or s zero or not below the order, no
/// such point. A high s recovers.
///
/// # Safety
/// `hash32` and `sig65` are null or readable for 32 and 65 bytes, `out20` null or writable for 20.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_recover(hash32: *const u8, sig65: *const u8, out20: *mut u8) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let (hash, sig) = unsafe { (args::array::<32>(hash32, "hash32")?, args::array::<65>(sig65, "sig65")?) };
        args::non_null(out20, "out20")?;
        let address = crypto::recover(hash, sig).ok_or(Failure::from(PcnStatus::Crypto))?;
        // SAFETY: the caller's contract.
        unsafe { args::write_array(out20, &address, "out20") }
    })
}

/// `pcn_recover` over `n` pairs. `ok[i]` is 1 and `addresses[i]` set where it recovered, else 0 and twenty zeros. The
/// status is Ok even when none recovers.
///
/// # Safety
/// `hashes` is readable for 32·n bytes, `sigs` for 65·n; `addresses` is writable for 20·n, `ok` for n.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_recover_batch(
    hashes: *const u8,
    sigs: *const u8,
    n: usize,
    addresses: *mut u8,
    ok: *mut u8,
) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || {
        let size = |each: usize| n.checked_mul(each).ok_or_else(|| Failure::argument(format!("n is {n}")));
        // SAFETY: the caller's contract.
        let hashes = unsafe { args::slice(hashes, size(32)?, "hashes") }?;
        // SAFETY: the caller's contract.
        let sigs = unsafe { args::slice(sigs, size(65)?, "sigs") }?;
        if n > 0 {
            args::non_null(addresses, "addresses")?;
            args::non_null(ok, "ok")?;
        }
        let (hashes, _) = hashes.as_chunks::<32>();
        let (sigs, _) = sigs.as_chunks::<65>();
        for (i, (hash, sig)) in hashes.iter().zip(sigs).enumerate() {
            let address = crypto::recover(hash, sig);
            // SAFETY: i < n, and the caller's contract.
            unsafe {
                args::write_array(addresses.add(20 * i), &address.unwrap_or_default(), "addresses")?;
                args::write(ok.add(i), address.is_some().into(), "ok")?;
            }
        }
        Ok(())
    })
}

/// Ok when the signature's s is in the lower half of the order, else `Crypto`. Only s is looked at.
///
/// # Safety
/// `sig65` is null or readable for 65 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_is_low_s(sig65: *const u8) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let sig = unsafe { args::array::<65>(sig65, "sig65") }?;
        if crypto::is_low_s(sig) { Ok(()) } else { Err(PcnStatus::Crypto.into()) }
    })
}

/// Plain ECDSA verification with a public key of 33 or 65 bytes; a high s verifies. `Crypto` when it does not verify
/// or the key or signature is no such thing.
///
/// # Safety
/// `hash32` and `sig64` are null or readable for 32 and 64 bytes, `public_key` for its length.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pcn_verify(hash32: *const u8, sig64: *const u8, public_key: PcnBytes) -> PcnStatus {
    guard::run(std::ptr::null_mut(), || {
        // SAFETY: the caller's contract.
        let (hash, sig) = unsafe { (args::array::<32>(hash32, "hash32")?, args::array::<64>(sig64, "sig64")?) };
        // SAFETY: the caller's contract.
        let key = unsafe { args::bytes(&public_key, "public_key") }?;
        if key.len() != 33 && key.len() != 65 {
            return Err(Failure::argument(format!("a public key is 33 or 65 bytes, not {}", key.len())));
        }
        if crypto::verify(hash, sig, key) { Ok(()) } else { Err(PcnStatus::Crypto.into()) }
    })
}
