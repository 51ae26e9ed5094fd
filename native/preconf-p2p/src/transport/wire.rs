//! Reads, in what this node writes to one substream, where each frame ends and what it is.
//!
//! A substream begins with multistream-select lines (length, then `/name\n`), and gossipsub's frames have the same
//! shape (varint length, then a protobuf), so one parser does for both.

use std::hash::Hasher;

/// As much of a frame as is kept to tell what it is: enough for the fields before a message's data and for
/// [`FINGERPRINTED`] bytes of it.
const HEAD: usize = 640;
/// The longest line of multistream-select worth reading.
const MAX_LINE: usize = 1024;
/// How many of a message's first bytes make its fingerprint. A commitment is shorter, a txlist starts with its hash.
const FINGERPRINTED: usize = 512;

/// What a substream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its protocol is still being negotiated.
    Unknown,
    /// gossipsub or floodsub.
    Gossip,
    /// Anything else.
    Other,
}

/// Tells a gossip message by its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of a message's payload.
    pub(crate) fn of(data: &[u8]) -> Self {
        Self::of_start(&data[..data.len().min(FINGERPRINTED)], data.len())
    }

    fn of_start(start: &[u8], len: usize) -> Self {
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write_usize(len);
        hasher.write(start);
        Self(hasher.finish())
    }
}

/// The parser of one substream's written bytes.
#[derive(Debug)]
pub(crate) struct Frames {
    kind: Kind,
    /// The length being read: its value so far and its bytes so far.
    length: (u64, u32),
    /// Payload bytes still to come; `None` while the length is read.
    remaining: Option<usize>,
    frame_len: usize,
    head: Vec<u8>,
}

impl Frames {
    pub(crate) fn new() -> Self {
        Self { kind: Kind::Unknown, length: (0, 0), remaining: None, frame_len: 0, head: Vec::new() }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Takes bytes that were written; calls `published` for each gossip message that is written whole with them.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut published: impl FnMut(Fingerprint)) {
        while self.kind != Kind::Other && !bytes.is_empty() {
            let Some(remaining) = self.remaining else {
                self.length_byte(bytes[0]);
                bytes = &bytes[1..];
                if self.remaining == Some(0) {
                    self.end(&mut published);
                }
                continue;
            };
            let (part, rest) = bytes.split_at(remaining.min(bytes.len()));
            let wanted = HEAD.saturating_sub(self.head.len()).min(part.len());
            self.head.extend_from_slice(&part[..wanted]);
            self.remaining = Some(remaining - part.len());
            bytes = rest;
            if self.remaining == Some(0) {
                self.end(&mut published);
            }
        }
    }

    fn length_byte(&mut self, byte: u8) {
        let (value, count) = self.length;
        if count >= 5 {
            self.kind = Kind::Other;
            return;
        }
        let value = value | u64::from(byte & 0x7f) << (7 * count);
        self.length = (value, count + 1);
        if byte & 0x80 == 0 {
            match usize::try_from(value) {
                Ok(len) if self.kind == Kind::Gossip || len <= MAX_LINE => {
                    self.frame_len = len;
                    self.remaining = Some(len);
                }
                _ => self.kind = Kind::Other,
            }
        }
    }

    fn end(&mut self, published: &mut impl FnMut(Fingerprint)) {
        match self.kind {
            Kind::Unknown if self.head.starts_with(b"/multistream/") => {}
            Kind::Unknown if is_gossip(&self.head) => self.kind = Kind::Gossip,
            Kind::Unknown => self.kind = Kind::Other,
            Kind::Gossip => {
                if let Some(fingerprint) = message(&self.head, self.frame_len) {
                    published(fingerprint);
                }
            }
            Kind::Other => {}
        }
        self.length = (0, 0);
        self.remaining = None;
        self.head.clear();
    }
}

fn is_gossip(line: &[u8]) -> bool {
    line.starts_with(b"/meshsub/") || line.starts_with(b"/floodsub/")
}

/// The fingerprint of the message in an RPC that carries one first: field 2 of the RPC, and in it field 1 (author),
/// then field 2 (data).
fn message(head: &[u8], frame_len: usize) -> Option<Fingerprint> {
    let (_, message) = delimited(head, 0x12)?;
    let message = match delimited(message, 0x0a) {
        Some((author, rest)) => rest.get(author..)?,
        None => message,
    };
    let (len, data) = delimited(message, 0x12)?;
    if len > frame_len {
        return None;
    }
    let start = data.get(..len.min(FINGERPRINTED))?;
    Some(Fingerprint::of_start(start, len))
}

/// The length of a length-delimited field with this tag, and what follows the length.
fn delimited(bytes: &[u8], tag: u8) -> Option<(usize, &[u8])> {
    let (&first, mut rest) = bytes.split_first()?;
    if first != tag {
        return None;
    }
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(mut value: usize, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    fn framed(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        varint(payload.len(), &mut out);
        out.extend_from_slice(payload);
        out
    }

    fn field(tag: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        out.extend(framed(payload));
        out
    }

    fn publish(data: &[u8]) -> Vec<u8> {
        let mut message = field(0x0a, &[7; 39]);
        message.extend(field(0x12, data));
        message.extend(field(0x1a, &[0; 8]));
        message.extend(field(0x22, b"/taiko/167000/0/rawTxLists"));
        framed(&field(0x12, &message))
    }

    fn stream(parts: &[Vec<u8>]) -> Vec<u8> {
        let mut out = framed(b"/multistream/1.0.0\n");
        out.extend(framed(b"/meshsub/1.3.0\n"));
        out.extend(framed(b"/meshsub/1.2.0\n"));
        for part in parts {
            out.extend_from_slice(part);
        }
        out
    }

    #[test]
    fn finds_each_message_however_the_bytes_are_cut() {
        let small = vec![1; 382];
        let large = (0..2_000_000u32).map(|i| i as u8).collect::<Vec<_>>();
        let bytes = stream(&[
            framed(&field(0x0a, b"subscription")),
            publish(&small),
            framed(&field(0x1a, &[9; 5000])),
            publish(&large),
            framed(&[]),
            publish(&[]),
        ]);
        for step in [1, 7, 640, 8192, bytes.len()] {
            let mut frames = Frames::new();
            let mut seen = Vec::new();
            for chunk in bytes.chunks(step) {
                frames.feed(chunk, |fingerprint| seen.push(fingerprint));
            }
            assert_eq!(frames.kind(), Kind::Gossip);
            assert_eq!(seen, [Fingerprint::of(&small), Fingerprint::of(&large), Fingerprint::of(&[])], "step {step}");
        }
    }

    #[test]
    fn fingerprints_differ_by_start_and_by_length() {
        assert_ne!(Fingerprint::of(&[0; 600]), Fingerprint::of(&[0; 601]));
        assert_ne!(Fingerprint::of(&[0; 600]), Fingerprint::of(&[1; 600]));
    }

    #[test]
    fn other_protocols_are_left_alone() {
        let mut bytes = framed(b"/multistream/1.0.0\n");
        bytes.extend(framed(b"/ipfs/ping/1.0.0\n"));
        bytes.extend(publish(&[1; 100]));
        let mut frames = Frames::new();
        frames.feed(&bytes, |_| panic!("no gossip here"));
        assert_eq!(frames.kind(), Kind::Other);
    }

    #[test]
    fn garbage_ends_the_parsing() {
        for garbage in [&[0xff; 16][..], &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01], b"\x05hello"] {
            let mut frames = Frames::new();
            frames.feed(garbage, |_| panic!("no gossip here"));
            assert_eq!(frames.kind(), Kind::Other);
        }
    }

    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % bound
        }
    }

    fn parsed(bytes: &[u8], mut next: impl FnMut() -> usize) -> (Kind, Vec<Fingerprint>) {
        let (mut frames, mut seen, mut rest) = (Frames::new(), Vec::new(), bytes);
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(next().min(rest.len()));
            frames.feed(chunk, |fingerprint| seen.push(fingerprint));
            assert!(frames.head.len() <= HEAD.max(MAX_LINE), "{} bytes kept", frames.head.len());
            rest = after;
        }
        (frames.kind(), seen)
    }

    #[test]
    fn any_bytes_are_read_the_same_however_they_are_cut() {
        let mut random = Random(1);
        let (mut gossip, mut messages) = (0, 0);
        for round in 0..20_000 {
            let parts: Vec<_> = (0..random.below(4))
                .map(|_| match random.below(3) {
                    0 => publish(&vec![round as u8; random.below(1500)]),
                    1 => framed(&field(0x1a, &vec![9; random.below(300)])),
                    _ => framed(&(0..random.below(50)).map(|_| random.below(256) as u8).collect::<Vec<_>>()),
                })
                .collect();
            let mut bytes = stream(&parts);
            if round % 5 == 0 {
                bytes = (0..random.below(100)).map(|_| random.below(256) as u8).collect();
            }
            for _ in 0..random.below(3) {
                let at = random.below(bytes.len() + 1);
                match random.below(3) {
                    0 => bytes.truncate(at),
                    1 if at < bytes.len() => bytes[at] = random.below(256) as u8,
                    _ => bytes.insert(at, random.below(256) as u8),
                }
            }
            let whole = parsed(&bytes, || usize::MAX);
            assert_eq!(parsed(&bytes, || 1), whole);
            assert_eq!(parsed(&bytes, || 1 + random.below(200)), whole);
            gossip += usize::from(whole.0 == Kind::Gossip);
            messages += whole.1.len();
        }
        assert!(gossip > 5000 && messages > 5000, "{gossip} streams and {messages} messages mean little");
    }
}
