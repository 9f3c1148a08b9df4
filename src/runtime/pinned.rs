//! The ONNX Runtime that `onnxpress setup` installs: one wheel per platform, pinned by sha256.
//!
//! The table is `fixtures/onnxruntime.tsv`, which also feeds the tests' own fetching.

use crate::error::{Error, Result};

const TABLE: &str = include_str!("../../fixtures/onnxruntime.tsv");

/// The wheel of one platform and the shared library in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Python's name of system and machine, such as `linux-x86_64`.
    pub platform: &'static str,
    /// The version of ONNX Runtime.
    pub version: &'static str,
    /// The Python version whose wheel is taken; the library in it is the same for all.
    pub python: &'static str,
    /// The wheel's platform tag.
    pub tag: &'static str,
    /// File name of the wheel.
    pub wheel: &'static str,
    /// Its sha256, in hexadecimal.
    pub wheel_sha256: &'static str,
    /// The library's path inside the wheel.
    pub library: &'static str,
    /// Its sha256, in hexadecimal.
    pub library_sha256: &'static str,
}

impl Pin {
    /// File name of the library.
    pub fn library_name(&self) -> &'static str {
        self.library.rsplit('/').next().unwrap_or(self.library)
    }
}

/// The pin of a platform, in the words of [`std::env::consts`]; `musl` where the C library is musl.
///
/// # Errors
/// No wheel is published for that platform.
pub fn pin_for(os: &str, arch: &str, musl: bool) -> Result<Pin> {
    let platform = match (os, arch) {
        ("linux", _) if musl => None,
        ("linux", "x86_64" | "aarch64") => Some(format!("linux-{arch}")),
        ("macos", "aarch64") => Some("darwin-arm64".to_owned()),
        ("macos", "x86_64") => Some("darwin-x86_64".to_owned()),
        ("windows", "x86_64") => Some("win32-AMD64".to_owned()),
        ("windows", "aarch64") => Some("win32-ARM64".to_owned()),
        _ => None,
    };
    platform.and_then(|platform| pins().find(|pin| pin.platform == platform)).ok_or_else(|| {
        let libc = if musl { " with musl" } else { "" };
        Error::new(format!("no ONNX Runtime wheel is published for {os} on {arch}{libc}")).with_help(
            "install ONNX Runtime 1.22 or newer from your system or its source, then name the shared library with --ort-lib or ORT_DYLIB_PATH",
        )
    })
}

/// The pin of this machine; errors as in [`pin_for`].
pub(super) fn pin_here() -> Result<Pin> {
    pin_for(std::env::consts::OS, std::env::consts::ARCH, cfg!(target_env = "musl"))
}

fn pins() -> impl Iterator<Item = Pin> {
    TABLE.lines().skip(1).filter_map(|line| {
        let mut cells = line.split('\t');
        Some(Pin {
            platform: cells.next()?,
            version: cells.next()?,
            python: cells.next()?,
            tag: cells.next()?,
            wheel: cells.next()?,
            wheel_sha256: cells.next()?,
            library: cells.next()?,
            library_sha256: cells.next()?,
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_platform_has_its_wheel() {
        let cases = [
            ("linux", "x86_64", "1.31.1", "manylinux_2_28_x86_64", "libonnxruntime.so.1.31.1"),
            ("linux", "aarch64", "1.31.1", "manylinux_2_28_aarch64", "libonnxruntime.so.1.31.1"),
            ("macos", "aarch64", "1.31.1", "macosx_14_0_arm64", "libonnxruntime.1.31.1.dylib"),
            ("macos", "x86_64", "1.23.2", "macosx_13_0_x86_64", "libonnxruntime.1.23.2.dylib"),
            ("windows", "x86_64", "1.31.1", "win_amd64", "onnxruntime.dll"),
            ("windows", "aarch64", "1.31.1", "win_arm64", "onnxruntime.dll"),
        ];
        for (os, arch, version, tag, library) in cases {
            let pin = pin_for(os, arch, false).unwrap();
            assert_eq!((pin.version, pin.tag, pin.library_name()), (version, tag, library));
            assert_eq!(pin.wheel, format!("onnxruntime-{version}-cp312-cp312-{tag}.whl"));
        }
        assert_eq!(pins().count(), cases.len(), "a row of the table is read by nobody");
    }

    #[test]
    fn digests_are_whole_and_distinct() {
        let digests: Vec<&str> = pins().flat_map(|pin| [pin.wheel_sha256, pin.library_sha256]).collect();
        for digest in &digests {
            assert_eq!(digest.len(), 64);
            assert!(digest.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
        }
        let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());
    }

    #[test]
    fn other_platforms_are_told_what_to_do() {
        for (os, arch, musl) in
            [("linux", "x86_64", true), ("linux", "riscv64", false), ("freebsd", "x86_64", false)]
        {
            let error = pin_for(os, arch, musl).unwrap_err();
            assert!(error.help().is_some_and(|help| help.contains("--ort-lib")), "{error}");
        }
        assert!(pin_for("linux", "x86_64", true).unwrap_err().message().contains("musl"));
    }
}
