//! A stream whose protocol is taken for accepted: whatever the dialer writes and in whatever pieces, it is told of an acceptance only
//! after it wrote a proposal whole; whatever the peer answers, nothing behind the acceptance is lost, and nothing of a refusal is read.

use std::{
    io,
    task::{Context, Poll, Waker},
};

use arbitrary::{Arbitrary, Unstructured};
use preconf_p2p::fuzzing::Negotiating;

use crate::{pieces::Pieces, reached};

/// What its inputs come to.
pub(crate) const ENDS: &[&str] = &["another protocol", "accepted", "ended", "broken", "refused", "another greeting"];

const NAMES: [&str; 3] = ["/t/1/get_head", "/t/1/get_heads", "/t/1/x"];

#[derive(Arbitrary, Debug)]
struct Case {
    /// Which proposal is written, and how many of its last bytes are missing.
    proposal: u8,
    missing: u8,
    /// Bytes written behind the proposal.
    more: Vec<u8>,
    /// These are all that is written.
    other: bool,
    /// What the peer says instead of the acceptance, from which byte of it on.
    at: u8,
    answer: Vec<u8>,
    accepts: bool,
    /// How the stream ends.
    reset: bool,
    breaks: bool,
    step: u8,
}

fn line(name: &str) -> Vec<u8> {
    [b"\x13/multistream/1.0.0\n", &[name.len() as u8 + 1][..], name.as_bytes(), b"\n"].concat()
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
        reached("another protocol");
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
    let end_of_stream = match (case.reset, case.breaks) {
        (true, _) => Some(io::ErrorKind::ConnectionReset),
        (_, true) => Some(io::ErrorKind::TimedOut),
        _ => None,
    };
    let mut io = Pieces::new(&answer, usize::from(case.step) + 1, end_of_stream);
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
            reached("accepted");
        }
        Ok(false) => {
            assert!(same == answer.len() && same < settled.len() && io.left.is_empty());
            reached("ended");
        }
        // A reset is an end; another error is told as it is.
        Err(io::ErrorKind::TimedOut) => {
            assert!(same == answer.len() && end_of_stream == Some(io::ErrorKind::TimedOut));
            reached("broken");
        }
        Err(kind) => {
            assert!(same < settled.len() && same < answer.len());
            let expected = if same >= greeting { io::ErrorKind::Unsupported } else { io::ErrorKind::InvalidData };
            assert_eq!(kind, expected);
            reached(if same >= greeting { "refused" } else { "another greeting" });
            assert!(negotiating.is_open(), "what follows a refusal must not be read");
            assert!(matches!(negotiating.poll_confirm(&mut io, &mut cx), Poll::Ready(Ok(0))));
        }
    }
}
