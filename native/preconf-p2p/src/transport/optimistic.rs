//! Sends a request along with the proposal of its protocol instead of a round trip after it.
//!
//! multistream-select has the dialer of a stream propose a protocol and wait until the listener repeats the proposal. For
//! protocols that every node of the network serves the dialer is told so at once, and what the listener says is checked when it
//! comes: before anything of the answer is read. On the wire it is what the reference's `V1Lazy` writes; that is a setting of all
//! streams, and for gossip it would hide that a peer speaks none.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::AsyncRead;

/// The first line of either side.
const GREETING: &[u8] = b"\x13/multistream/1.0.0\n";

/// A proposal is no longer: the greeting, and a line whose length is one byte.
const LONGEST: usize = GREETING.len() + 1 + MAX_LINE;
const MAX_LINE: usize = 0x7f;

/// The proposals that are taken for accepted: greeting and protocol, as they are on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Proposals(Arc<[Box<[u8]>]>);

impl Proposals {
    /// # Panics
    /// When a name is longer than 126 bytes, or there are more than eight.
    pub(crate) fn new(protocols: impl IntoIterator<Item = String>) -> Self {
        let proposals: Arc<[_]> = protocols
            .into_iter()
            .map(|name| {
                let line = name.len() + 1;
                assert!(line <= MAX_LINE, "the length of a protocol's line is one byte");
                [GREETING, &[line as u8], name.as_bytes(), b"\n"].concat().into_boxed_slice()
            })
            .collect();
        assert!(proposals.len() <= 8, "there is a bit for each proposal");
        Self(proposals)
    }
}

/// What is known of a stream's negotiation.
#[derive(Debug)]
pub(crate) struct Negotiation {
    proposals: Proposals,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes were written, and they begin those proposals (a bit each).
    Proposing { written: usize, among: u8 },
    /// This proposal was written. So much of its acceptance was told to the dialer, and so much of it has come.
    Settled { proposal: usize, told: usize, confirmed: usize },
    /// What was answered is no acceptance: nothing of it is read.
    Refused,
    /// Another protocol, or one that was accepted.
    Over,
}

impl Negotiation {
    pub(crate) fn new(proposals: Proposals) -> Self {
        Self { proposals, state: State::Proposing { written: 0, among: u8::MAX } }
    }

    /// Takes bytes that the dialer wrote.
    pub(crate) fn written(&mut self, bytes: &[u8]) {
        let State::Proposing { written, among } = self.state else { return };
        let end = written + bytes.len();
        let begins = |proposal: &[u8]| proposal.get(written..end) == Some(bytes);
        let mut left = 0;
        for (index, proposal) in self.proposals.0.iter().enumerate() {
            if among & (1 << index) != 0 && begins(proposal) {
                if proposal.len() == end {
                    self.state = State::Settled { proposal: index, told: 0, confirmed: 0 };
                    return;
                }
                left |= 1 << index;
            }
        }
        self.state = if left == 0 { State::Over } else { State::Proposing { written: end, among: left } };
    }

    /// Tells the dialer of the acceptance, whether it has come or not; `None` when there is nothing to tell.
    pub(crate) fn tell(&mut self, buf: &mut [u8]) -> Option<usize> {
        let State::Settled { proposal, told, .. } = &mut self.state else { return None };
        let rest = &self.proposals.0[*proposal][*told..];
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        *told += count;
        (!rest.is_empty()).then_some(count)
    }

    /// Whether the acceptance is to be read before anything else is.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Settled { .. } | State::Refused)
    }

    /// Reads of an open acceptance what has come, and nothing behind it: so many bytes, 0 when the stream ended. A reset is an end
    /// too: QUIC loses with it what the listener may have said, and who resets a stream before it accepts does not want it.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] when another line than the proposal comes, [`io::ErrorKind::InvalidData`] when another
    /// greeting does; and the stream's own.
    pub(crate) fn poll_confirm<T: AsyncRead + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let State::Settled { proposal, confirmed, .. } = &mut self.state else { return Poll::Ready(Ok(0)) };
        let owed = &self.proposals.0[*proposal][*confirmed..];
        let mut answer = [0; LONGEST];
        let count = match ready!(Pin::new(io).poll_read(cx, &mut answer[..owed.len()])) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            read => read?,
        };
        if let Some(other) = answer[..count].iter().zip(owed).position(|(answer, owed)| answer != owed) {
            let greeted = *confirmed + other >= GREETING.len();
            self.state = State::Refused;
            return Poll::Ready(Err(if greeted {
                io::Error::new(io::ErrorKind::Unsupported, "the protocol is not accepted")
            } else {
                io::Error::new(io::ErrorKind::InvalidData, "no multistream-select 1.0.0 is spoken")
            }));
        }
        *confirmed += count;
        if count == owed.len() {
            self.state = State::Over;
        }
        Poll::Ready(Ok(count))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const HEAD: &str = "/taiko/167000/preconf/1/get_head";

    fn negotiation() -> Negotiation {
        Negotiation::new(Proposals::new([HEAD, "/taiko/167000/preconf/1/get_raw_txlist"].map(str::to_owned)))
    }

    fn proposal(name: &str) -> Vec<u8> {
        [GREETING, &[name.len() as u8 + 1], name.as_bytes(), b"\n"].concat()
    }

    /// Gives these bytes piece by piece, then the end.
    struct Pieces(VecDeque<Vec<u8>>);

    impl AsyncRead for Pieces {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            let Some(piece) = self.0.front_mut() else { return Poll::Ready(Ok(0)) };
            let count = buf.len().min(piece.len());
            buf[..count].copy_from_slice(&piece[..count]);
            piece.drain(..count);
            if piece.is_empty() {
                self.0.pop_front();
            }
            Poll::Ready(Ok(count))
        }
    }

    /// What is told, and how the confirmation of `answer` in pieces of `step` bytes ends; what is left unread.
    fn run(mut negotiation: Negotiation, answer: &[u8], step: usize) -> (Vec<u8>, io::Result<bool>, Vec<u8>) {
        let mut told = Vec::new();
        let mut buf = [0; 7];
        while let Some(count) = negotiation.tell(&mut buf) {
            told.extend_from_slice(&buf[..count]);
        }
        let mut io = Pieces(answer.chunks(step).map(<[u8]>::to_vec).collect());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while negotiation.is_open() {
            match negotiation.poll_confirm(&mut io, &mut cx) {
                Poll::Ready(Ok(0)) => return (told, Ok(false), io.0.into_iter().flatten().collect()),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    // Once and for all.
                    assert!(matches!(negotiation.poll_confirm(&mut io, &mut cx), Poll::Ready(Ok(0))));
                    return (told, Err(error), io.0.into_iter().flatten().collect());
                }
                Poll::Pending => panic!("there is always something to read"),
            }
        }
        (told, Ok(true), io.0.into_iter().flatten().collect())
    }

    #[test]
    fn a_proposal_is_known_however_it_is_written() {
        let proposal = proposal(HEAD);
        for step in 1..=proposal.len() {
            let mut negotiation = negotiation();
            for piece in proposal.chunks(step) {
                assert!(!negotiation.is_open());
                negotiation.written(piece);
            }
            let answer = [&*proposal, b"what follows"].concat();
            let (told, end, left) = run(negotiation, &answer, step);
            assert_eq!((told, end.unwrap(), &*left), (proposal.clone(), true, &b"what follows"[..]), "{step}");
        }
    }

    #[test]
    fn no_other_proposal_is_taken_for_accepted() {
        let unknown = ["/meshsub/1.2.0", "/taiko/167000/preconf/1/get_heads", "/taiko/167000/preconf/1/get_hea", "/"];
        for written in unknown.map(proposal).into_iter().chain([[&*proposal(HEAD), b"x"].concat(), vec![0x13]]) {
            let mut negotiation = negotiation();
            negotiation.written(&written);
            assert!(!negotiation.is_open() && negotiation.tell(&mut [0; 64]).is_none(), "{written:?}");
        }
    }

    #[test]
    fn what_is_not_accepted_is_an_error_and_what_ends_is_an_end() {
        let proposal = proposal(HEAD);
        let refused = [GREETING, b"\x03na\n"].concat();
        for step in 1..=refused.len() {
            let mut asked = negotiation();
            asked.written(&proposal);
            let (_, end, _) = run(asked, &refused, step);
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::Unsupported);
        }
        for other in [&b"\x13/multistream/2.0.0\n"[..], b"\x00", &[0xff; 100]] {
            let mut asked = negotiation();
            asked.written(&proposal);
            assert_eq!(run(asked, other, 3).1.unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        for cut in 0..proposal.len() {
            let mut asked = negotiation();
            asked.written(&proposal);
            assert!(!run(asked, &proposal[..cut], 5).1.unwrap(), "{cut}");
        }
    }

    #[test]
    fn the_longest_name_has_room() {
        let name = "n".repeat(MAX_LINE - 1);
        let mut asked = Negotiation::new(Proposals::new([name.clone()]));
        let proposal = proposal(&name);
        asked.written(&proposal);
        assert_eq!(run(asked, &proposal, 1000).0, proposal);
    }
}
