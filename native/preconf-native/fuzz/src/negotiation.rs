//! A stream whose protocol is taken for accepted: whatever the dialer writes and in whatever pieces, it is told of an acceptance only
//! after it wrote a proposal whole; whatever the peer answers, nothing behind the acceptance is lost, and nothing of a refusal is read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use arbitrary::{Arbitrary, Unstructured};
use futures::AsyncRead;
use preconf_p2p::fuzzing::Negotiating;

const NAMES: [&str; 3] = ["/t/1/get_head", "/t/1/get_heads", "/t/1/x"];

#[derive(Arbitrary, Debug)]
struct Case {
    /// Which proposal is written, and how many of its last bytes are missing.
    proposal: u8,
    missing: u8,
    /// Bytes written behind the proposal in the same piece, or other ones altogether.
    more: Vec<u8>,
    other: bool,
    /// What the peer says instead of the acceptance, from which byte of it on.
    at: u8,
    answer: Vec<u8>,
    accepts: bool,
    reset: bool,
    step: u8,
}

fn line(name: &str) -> Vec<u8> {
    [b"\x13/multistream/1.0.0\n", &[name.len() as u8 + 1][..], name.as_bytes(), b"\n"].concat()
}

struct Answer<'a> {
    left: &'a [u8],
    step: usize,
    waits: bool,
    reset: bool,
}

impl AsyncRead for Answer<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.waits = !self.waits;
        if self.waits {
            return Poll::Pending;
        }
        if self.left.is_empty() && self.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let (now, later) = self.left.split_at(self.left.len().min(self.step).min(buf.len()));
        buf[..now.len()].copy_from_slice(now);
        self.left = later;
        Poll::Ready(Ok(now.len()))
    }
}

pub(crate) fn run(data: &[u8]) {
    let Ok(case) = Case::arbitrary(&mut Unstructured::new(data)) else { return };
    let step = usize::from(case.step) + 1;
    let proposal = line(NAMES[usize::from(case.proposal) % NAMES.len()]);
    let mut written = if case.other { Vec::new() } else { proposal.clone() };
    written.truncate(proposal.len() - usize::from(case.missing).min(proposal.len()));
    written.extend_from_slice(&case.more);

    let mut negotiating = Negotiating::new(&NAMES);
    let (mut before, mut settled) = (0, None);
    for piece in written.chunks(step) {
        // Once settled, what is written is the request.
        if settled.is_none() {
            assert_eq!(negotiating.tell(&mut [0; 9]), None, "told before the proposal was whole");
            negotiating.written(piece);
            before += piece.len();
            settled = NAMES.iter().map(|name| line(name)).find(|line| line[..] == written[..before]);
            assert_eq!(negotiating.is_open(), settled.is_some());
        } else {
            negotiating.written(piece);
        }
    }
    let Some(settled) = settled else {
        assert!(!negotiating.is_open() && negotiating.tell(&mut [0; 9]).is_none());
        return;
    };

    let mut told = Vec::new();
    let mut buf = vec![0; step];
    while let Some(count) = negotiating.tell(&mut buf) {
        told.extend_from_slice(&buf[..count]);
    }
    assert_eq!(told, settled);
    confirm(&mut negotiating, &settled, &case);
}

fn confirm(negotiating: &mut Negotiating, settled: &[u8], case: &Case) {
    let mut answer = settled.to_vec();
    if !case.accepts {
        answer.truncate(usize::from(case.at));
    }
    answer.extend_from_slice(&case.answer);
    let mut io = Answer { left: &answer, step: usize::from(case.step) + 1, waits: false, reset: case.reset };
    let mut cx = Context::from_waker(Waker::noop());
    let end = loop {
        if !negotiating.is_open() {
            break Ok(true);
        }
        match negotiating.poll_confirm(&mut io, &mut cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(0)) => break Ok(false),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(error)) => break Err(error.kind()),
        }
    };
    let same = answer.iter().zip(settled).take_while(|(answer, settled)| answer == settled).count();
    let greeting = b"\x13/multistream/1.0.0\n".len();
    match end {
        Ok(true) => {
            assert!(answer.starts_with(settled));
            assert_eq!(io.left, &answer[settled.len()..], "read past the acceptance");
        }
        Ok(false) => assert!(same == answer.len() && same < settled.len() && io.left.is_empty()),
        Err(kind) => {
            assert!(same < settled.len() && same < answer.len());
            let expected = if same >= greeting { io::ErrorKind::Unsupported } else { io::ErrorKind::InvalidData };
            assert_eq!(kind, expected);
            assert!(negotiating.is_open(), "what follows a refusal must not be read");
            assert!(matches!(negotiating.poll_confirm(&mut io, &mut cx), Poll::Ready(Ok(0))));
        }
    }
}
