//! Takes the place of the crate `futures-timer` in this workspace (`[patch.crates-io]` in the root manifest): the same
//! interface, on the clock of the tokio runtime that polls it.
//!
//! The crate it replaces keeps a thread of its own, for the life of the process, and wakes it each time a delay is made,
//! reset or dropped. gossipsub makes one for every message it sends and request-response one for every request, so that
//! thread took a third of all futex calls of a node under load, and outlived every node of a host. Nearly all these delays are
//! dropped unfired; here such a delay costs no more than a look at the clock, or an entry in tokio's timer wheel.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// What stands for a delay too long for the clock.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

/// A future that is ready when its time is up, and stays so until it is reset.
///
/// It may be made, reset and dropped anywhere; it must be polled within a tokio runtime whose time is enabled.
pub struct Delay {
    at: Instant,
    /// Made by the first poll that has to wait.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Delay {
    /// A delay that is ready `dur` from now.
    #[must_use]
    pub fn new(dur: Duration) -> Self {
        Self { at: after(dur), sleep: None }
    }

    /// Makes it ready `dur` from now, whether it was before or not. Whoever polled it last is woken then.
    pub fn reset(&mut self, dur: Duration) {
        self.at = after(dur);
        if let Some(sleep) = &mut self.sleep {
            sleep.as_mut().reset(self.at);
        }
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        if self.sleep.is_none() && Instant::now() >= at {
            return Poll::Ready(());
        }
        self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at))).as_mut().poll(cx)
    }
}

impl fmt::Debug for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delay").field("at", &self.at).finish()
    }
}

fn after(dur: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(dur).unwrap_or(now + FAR)
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, poll};

    use super::*;

    const STEP: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn is_ready_when_its_time_is_up_and_stays_so() {
        let start = Instant::now();
        let mut delay = Delay::new(STEP);
        assert!(poll!(&mut delay).is_pending());
        (&mut delay).await;
        assert_eq!(start.elapsed(), STEP);
        assert!(poll!(&mut delay).is_ready());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reset_moves_it_forth_and_back() {
        let start = Instant::now();
        let mut delay = Delay::new(STEP);
        assert!(poll!(&mut delay).is_pending());
        delay.reset(3 * STEP);
        (&mut delay).await;
        assert_eq!(start.elapsed(), 3 * STEP);
        delay.reset(STEP);
        assert!(poll!(&mut delay).is_pending());
        delay.await;
        assert_eq!(start.elapsed(), 4 * STEP);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_to_poll_is_woken_after_a_reset() {
        let mut delay = Delay::new(STEP);
        assert!(poll!(&mut delay).is_pending());
        let waiting = tokio::spawn(async move {
            delay.reset(2 * STEP);
            delay.await;
        });
        tokio::time::timeout(3 * STEP, waiting).await.expect("it is woken").expect("it does not panic");
    }

    #[test]
    fn is_made_reset_and_dropped_without_a_runtime() {
        let mut delay = Delay::new(Duration::ZERO);
        delay.reset(Duration::MAX);
        drop(delay);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_delay_is_only_pending() {
        let mut delay = Delay::new(Duration::MAX);
        assert!((&mut delay).now_or_never().is_none());
    }
}
