//! The node's secp256k1 key: one key for peer id, handshakes and (by default) gossip signatures.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use libp2p::{
    PeerId,
    identity::{Keypair, PublicKey, secp256k1},
};

/// Why an identity key could not be had.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file is not there, and it was not asked to be made.
    #[error("{0} does not exist")]
    Missing(PathBuf),
    /// Reading or writing failed.
    #[error("{path}: {error}")]
    Io {
        /// The file or its folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file does not hold 64 hex digits and at most one newline.
    #[error("{0} must hold 64 hex digits and a newline")]
    Malformed(PathBuf),
    /// Others than the owner may read or write the file.
    #[error("{path} has mode {mode:o}: others can read the key; run chmod 600 on it")]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The bytes are no secp256k1 secret key (zero, or not below the group order) or no public key.
    #[error("not a secp256k1 key")]
    InvalidKey,
}

/// Reads the 32 secret bytes of the key file at `path`: 64 hex digits, then at most one newline.
///
/// With `create` a missing file is made with a fresh key: written beside it with mode 0600, flushed to the disk, then
/// linked to its name, which never replaces a file that another process made meanwhile (that one is read instead).
///
/// # Errors
/// [`IdentityError`] for a file that is missing, unreadable, malformed or open to others, and for a value that is no
/// secret key.
pub fn load_or_create(path: &Path, create: bool) -> Result<[u8; 32], IdentityError> {
    match read(path) {
        Err(IdentityError::Missing(_)) if create => {
            make(path)?;
            read(path)
        }
        result => result,
    }
}

/// The libp2p key pair of 32 secret bytes.
///
/// # Errors
/// [`IdentityError::InvalidKey`] when they are zero or not below the group order.
pub fn keypair_of(secret: &[u8; 32]) -> Result<Keypair, IdentityError> {
    // The library zeroes the bytes it is given.
    let copy = *secret;
    let secret = secp256k1::SecretKey::try_from_bytes(copy).map_err(|_| IdentityError::InvalidKey)?;
    Ok(secp256k1::Keypair::from(secret).into())
}

/// The peer id of a compressed secp256k1 public key.
///
/// # Errors
/// [`IdentityError::InvalidKey`] when the bytes are no point of the curve.
pub fn peer_id_of(public_key: &[u8; 33]) -> Result<PeerId, IdentityError> {
    let key = secp256k1::PublicKey::try_from_bytes(public_key).map_err(|_| IdentityError::InvalidKey)?;
    Ok(PublicKey::from(key).to_peer_id())
}

/// The compressed public key of a secp256k1 pair.
pub(crate) fn public_key_of(keypair: &Keypair) -> Result<[u8; 33], IdentityError> {
    let key = keypair.public().try_into_secp256k1().map_err(|_| IdentityError::InvalidKey)?;
    Ok(key.to_bytes())
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> IdentityError {
    let path = path.to_owned();
    move |error| IdentityError::Io { path, error }
}

fn read(path: &Path) -> Result<[u8; 32], IdentityError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(IdentityError::Missing(path.to_owned())),
        Err(error) => return Err(io_error(path)(error)),
    };
    check_mode(path, &file)?;
    let mut text = Vec::with_capacity(80);
    Read::by_ref(&mut file).take(80).read_to_end(&mut text).map_err(io_error(path))?;
    let digits = match text.as_slice() {
        [digits @ .., b'\r', b'\n'] | [digits @ .., b'\n'] => digits,
        digits => digits,
    };
    let secret = parse_hex(digits).ok_or_else(|| IdentityError::Malformed(path.to_owned()))?;
    keypair_of(&secret)?;
    Ok(secret)
}

#[cfg(unix)]
fn check_mode(path: &Path, file: &File) -> Result<(), IdentityError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = file.metadata().map_err(io_error(path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(IdentityError::Permissions { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &File) -> Result<(), IdentityError> {
    Ok(())
}

fn parse_hex(digits: &[u8]) -> Option<[u8; 32]> {
    if digits.len() != 64 {
        return None;
    }
    let mut secret = [0; 32];
    for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    Some(secret)
}

fn make(path: &Path) -> Result<(), IdentityError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let secret = secp256k1::SecretKey::generate().to_bytes();
    let mut text: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');

    // The public key makes the name of the temporary file unique among processes, without telling the secret.
    let unique = keypair_of(&secret)?.public().to_peer_id();
    let mut temporary = path.to_owned().into_os_string();
    temporary.push(format!(".{unique}.tmp"));
    let temporary = PathBuf::from(temporary);

    let result = write_new(&temporary, text.as_bytes()).and_then(|()| publish(&temporary, path));
    let _ = fs::remove_file(&temporary);
    result?;
    sync_folder(folder)
}

fn write_new(path: &Path, text: &[u8]) -> Result<(), IdentityError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io_error(path))?;
    file.write_all(text).and_then(|()| file.sync_all()).map_err(io_error(path))
}

/// Gives the finished file its name, unless the name is taken: then the file that has it wins.
fn publish(temporary: &Path, path: &Path) -> Result<(), IdentityError> {
    match fs::hard_link(temporary, path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // Some file systems have no hard links: a rename is atomic too, and only loses the race without a clash.
        Err(_) if !path.exists() => fs::rename(temporary, path).map_err(io_error(path)),
        Err(error) => Err(io_error(path)(error)),
    }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> Result<(), IdentityError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error(folder))
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<(), IdentityError> {
    Ok(())
}
