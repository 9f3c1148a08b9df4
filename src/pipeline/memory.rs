//! How much memory the process has used.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Between two samples of the anonymous memory.
const PERIOD: Duration = Duration::from_millis(10);

/// Largest resident memory of this process so far, in bytes, mapped files included.
///
/// `None` where the system does not say: only Linux is asked (`VmHWM` of `/proc/self/status`).
pub fn peak() -> Option<u64> {
    status("VmHWM:")
}

/// Resident memory of this process now, in bytes, that no file backs (`RssAnon` of `/proc/self/status`).
fn anonymous() -> Option<u64> {
    status("RssAnon:")
}

fn status(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Watches the anonymous memory from a thread of its own, since the system keeps no peak of it.
pub(super) struct Sampler {
    most: Arc<AtomicU64>,
    running: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Sampler {
    /// Starts watching; where the system does not say, nothing is watched.
    pub(super) fn start() -> Self {
        let most = Arc::new(AtomicU64::new(0));
        let running = anonymous().and_then(|now| {
            most.store(now, Ordering::Relaxed);
            let (stop, stopped) = mpsc::channel();
            let seen = most.clone();
            let work = move || {
                while stopped.recv_timeout(PERIOD) == Err(mpsc::RecvTimeoutError::Timeout) {
                    seen.fetch_max(anonymous().unwrap_or(0), Ordering::Relaxed);
                }
            };
            let thread = thread::Builder::new().name("memory".to_owned()).spawn(work).ok()?;
            Some((stop, thread))
        });
        Self { most, running }
    }

    /// The largest sample so far, in bytes: peaks between two samples are missed.
    pub(super) fn peak(&self) -> Option<u64> {
        self.running.as_ref()?;
        Some(self.most.load(Ordering::Relaxed).max(anonymous()?))
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn linux_says() {
        assert!(peak().is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn what_was_freed_still_counts() {
        let sampler = Sampler::start();
        let held = vec![1u8; 64 << 20];
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while sampler.most.load(Ordering::Relaxed) < 64 << 20 {
            assert!(std::time::Instant::now() < deadline, "no sample saw it");
            thread::sleep(PERIOD);
        }
        assert_eq!(held.iter().map(|&b| u64::from(b)).sum::<u64>(), 64 << 20);
        drop(held);
        assert!(sampler.peak().unwrap() >= 64 << 20);
    }
}
