//! The process' memory against its ceiling.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// The memory is looked at this often.
const EVERY: Duration = Duration::from_secs(1);

/// Whether the process is over its ceiling, as last seen.
#[derive(Debug)]
pub(super) struct Memory {
    ceiling: Option<u64>,
    start: Instant,
    /// When it was looked at last, in milliseconds since `start`.
    looked: AtomicU64,
    over: AtomicBool,
}

impl Memory {
    pub(super) fn new(ceiling: Option<u64>) -> Self {
        let memory = Self { ceiling, start: Instant::now(), looked: AtomicU64::new(0), over: AtomicBool::new(false) };
        memory.judge();
        memory
    }

    /// The ceiling, when the process is over it.
    pub(super) fn over(&self) -> Option<u64> {
        self.ceiling.filter(|_| self.over.load(Ordering::Relaxed))
    }

    /// Looks at the process, unless it was lately.
    pub(super) fn look(&self, now: Instant) {
        if self.ceiling.is_none() {
            return;
        }
        let millis = now.saturating_duration_since(self.start).as_millis() as u64;
        if millis.saturating_sub(self.looked.load(Ordering::Relaxed)) >= EVERY.as_millis() as u64 {
            self.looked.store(millis, Ordering::Relaxed);
            self.judge();
        }
    }

    fn judge(&self) {
        if let (Some(ceiling), Some(resident)) = (self.ceiling, resident()) {
            let was = self.over.load(Ordering::Relaxed);
            self.over.store(is_over(resident, ceiling, was), Ordering::Relaxed);
        }
    }
}

/// Once over the ceiling, it takes a twentieth less to be under it again, so that one connection does not tip it over.
fn is_over(resident: u64, ceiling: u64, was: bool) -> bool {
    resident > if was { ceiling - ceiling / 20 } else { ceiling }
}

/// Bytes of the process in memory, where the system tells.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_the_ceiling_it_stays_until_well_below() {
        assert!(!is_over(100, 100, false));
        assert!(is_over(101, 100, false));
        assert!(is_over(96, 100, true));
        assert!(!is_over(95, 100, true));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_over_a_byte_and_under_an_exabyte() {
        assert!(resident().is_some_and(|bytes| bytes > 1 << 20 && bytes < 1 << 40));
        assert_eq!(Memory::new(Some(1)).over(), Some(1));
        assert_eq!(Memory::new(Some(1 << 60)).over(), None);
        assert_eq!(Memory::new(None).over(), None);
    }
}
