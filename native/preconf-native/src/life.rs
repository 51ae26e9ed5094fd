//! How far a node's life has come, for those who ask and those who wait.

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

/// Shared by the node's handle, its task and its reaper.
#[derive(Default)]
pub(crate) struct Life {
    /// No more commands are taken.
    closed: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
    /// Something for the node's task beside the swarm: a fault from outside.
    called: Notify,
    #[cfg(feature = "test-exports")]
    pub(crate) tests: crate::testing::Tests,
}

#[derive(Default)]
struct State {
    stop_asked: Option<Instant>,
    fault: Option<String>,
    /// The task sent its last event.
    ended: bool,
    /// No thread is left but the reaper, which is at its end.
    joined: bool,
}

impl Life {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_live(&self) -> bool {
        !self.closed.load(Ordering::Acquire)
    }

    /// True for the first who asks.
    pub(crate) fn request_stop(&self) -> bool {
        self.closed.store(true, Ordering::Release);
        let mut state = self.state();
        let first = state.stop_asked.is_none();
        state.stop_asked.get_or_insert_with(Instant::now);
        self.changed.notify_all();
        first
    }

    /// Makes the task end with this text; the first one counts.
    pub(crate) fn fault(&self, text: &str) {
        self.closed.store(true, Ordering::Release);
        self.state().fault.get_or_insert_with(|| text.to_owned());
        self.called.notify_one();
    }

    /// Ends when [`Life::fault`] was called, with its text.
    pub(crate) async fn faulted(&self) -> String {
        loop {
            let called = self.called.notified();
            if let Some(text) = self.state().fault.take() {
                return text;
            }
            called.await;
        }
    }

    pub(crate) fn set_ended(&self) {
        self.closed.store(true, Ordering::Release);
        self.state().ended = true;
        self.changed.notify_all();
    }

    /// Waits until the task ended, or `grace` has passed since it was asked to.
    pub(crate) fn wait_ended(&self, grace: Duration) {
        let mut state = self.state();
        while !state.ended {
            let left = state.stop_asked.map(|asked| grace.saturating_sub(asked.elapsed()));
            if left == Some(Duration::ZERO) {
                return;
            }
            state = self.wait(state, left);
        }
    }

    pub(crate) fn set_joined(&self) {
        self.state().joined = true;
        self.changed.notify_all();
    }

    pub(crate) fn is_joined(&self) -> bool {
        self.state().joined
    }

    pub(crate) fn wait_joined(&self, timeout: Option<Duration>) -> bool {
        let start = Instant::now();
        let mut state = self.state();
        while !state.joined {
            let left = timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
            if left == Some(Duration::ZERO) {
                return false;
            }
            state = self.wait(state, left);
        }
        true
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, left: Option<Duration>) -> MutexGuard<'a, State> {
        match left {
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
        }
    }
}
