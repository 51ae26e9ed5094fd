//! How the consumer sleeps, and how it is woken.
//!
//! The consumer says that it parks, then looks once more; the producer publishes, then looks whether it is parked. A
//! sequentially consistent fence stands between the two steps on both sides, so at least one of them sees the other.
//!
//! The state changes by exchanges only: each one's place in the state's order is then certain beside a concurrent one,
//! which loom needs to see that nothing is lost, and which costs nothing where a thread goes to sleep anyway.

use std::time::Instant;

use crate::sync::{AtomicU32, Ordering, fence};

const AWAKE: u32 = 0;
const PARKED: u32 = 1;

pub(crate) struct Parker {
    state: AtomicU32,
    #[cfg(any(loom, not(target_os = "linux")))]
    fallback: Fallback,
}

impl Parker {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU32::new(AWAKE),
            #[cfg(any(loom, not(target_os = "linux")))]
            fallback: Fallback::default(),
        }
    }

    /// Consumer: from here on [`Parker::wake`] has an effect. What it waits for must be looked at after this.
    pub(crate) fn prepare(&self) {
        self.state.swap(PARKED, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Consumer: there was something after all.
    pub(crate) fn cancel(&self) {
        self.state.swap(AWAKE, Ordering::Relaxed);
    }

    /// Consumer: sleeps until woken or `deadline`; may return early for no reason.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) {
        self.sleep_while_parked(deadline);
        self.state.swap(AWAKE, Ordering::Relaxed);
    }

    /// Any thread: wakes the consumer if it sleeps or is about to. What it waits for must be visible before this.
    #[inline]
    pub(crate) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.state.load(Ordering::Relaxed) == PARKED && self.state.swap(AWAKE, Ordering::Relaxed) == PARKED {
            self.wake_sleeper();
        }
    }
}

#[cfg(all(target_os = "linux", not(loom)))]
impl Parker {
    fn sleep_while_parked(&self, deadline: Option<Instant>) {
        let timeout = deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            libc::timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the word and the timeout live through the call. Every outcome (woken, value differs, interrupted,
        // timed out) is answered by the caller's next look.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.state.as_ptr(),
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                PARKED,
                timeout,
            );
        }
    }

    #[cold]
    fn wake_sleeper(&self) {
        // SAFETY: the word lives through the call; waking nobody is harmless.
        unsafe {
            libc::syscall(libc::SYS_futex, self.state.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1);
        }
    }
}

/// A futex made of a mutex and a condition variable: what loom explores, and what other systems run.
#[cfg(any(loom, not(target_os = "linux")))]
#[derive(Default)]
struct Fallback {
    gate: crate::sync::Mutex<()>,
    #[cfg(loom)]
    woken: loom::sync::Condvar,
    #[cfg(not(loom))]
    woken: std::sync::Condvar,
}

#[cfg(any(loom, not(target_os = "linux")))]
impl Parker {
    fn sleep_while_parked(&self, deadline: Option<Instant>) {
        let guard = self.fallback.gate.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if self.state.load(Ordering::Relaxed) != PARKED {
            return;
        }
        match deadline {
            None => drop(self.fallback.woken.wait(guard)),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                drop(self.fallback.woken.wait_timeout(guard, left));
            }
        }
    }

    #[cold]
    fn wake_sleeper(&self) {
        // Through the gate, so that a sleeper is either before its look at the state or already waiting.
        drop(self.fallback.gate.lock());
        self.fallback.woken.notify_one();
    }
}
