//! How much memory the process has used.

/// Largest resident memory of this process so far, in bytes, mapped files included.
///
/// `None` where the system does not say: only Linux is asked (`VmHWM` of `/proc/self/status`).
pub fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn linux_says() {
        assert!(peak().is_some_and(|bytes| bytes > 1 << 20));
    }
}
