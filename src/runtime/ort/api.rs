//! The C API of a loaded ONNX Runtime: handles that free themselves and calls that return a [`Status`].
//!
//! Codes that a newer library may extend (element types, value types, error codes) are read as plain integers.

use super::errors::Status;
use ort_sys as sys;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::ptr::{self, NonNull};

/// The minor version of the oldest library that is taken, and of the function table that is asked for.
pub(super) const OLDEST_MINOR: u32 = 22;

/// Why a file is not a library that we can use.
#[derive(Debug)]
pub(super) enum LoadFailure {
    /// It works, but is older than 1.22.
    TooOld {
        /// The library's version.
        version: String,
    },
    /// It is no ONNX Runtime of this machine's kind.
    Unusable(String),
}

/// A loaded library: its function table, the one environment and the CPU allocator. Never unloaded.
pub(super) struct Api {
    pub(super) table: &'static sys::OrtApi,
    pub(super) env: NonNull<sys::OrtEnv>,
    pub(super) allocator: NonNull<sys::OrtAllocator>,
    pub(super) version: String,
}

// SAFETY: the table is immutable; ONNX Runtime documents environment and default allocator as thread-safe.
unsafe impl Send for Api {}
// SAFETY: as above.
unsafe impl Sync for Api {}

/// A handle that is released when dropped.
pub(super) struct Owned<T> {
    ptr: NonNull<T>,
    release: unsafe extern "system" fn(*mut T),
}

impl<T> Owned<T> {
    pub(super) fn as_ptr(&self) -> *mut T {
        self.ptr.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: `ptr` came from the library together with its release function and is released only here.
        unsafe { (self.release)(self.ptr.as_ptr()) }
    }
}

// SAFETY: ONNX Runtime's handles are not bound to a thread; `Owned` gives no shared access across threads.
unsafe impl<T> Send for Owned<T> {}

unsafe extern "system" fn discard_log(
    _: *mut c_void,
    _: sys::OrtLoggingLevel,
    _: *const c_char,
    _: *const c_char,
    _: *const c_char,
    _: *const c_char,
) {
}

impl Api {
    /// Loads a library and makes its environment, which logs nothing and sends no telemetry.
    pub(super) fn load(path: &Path) -> Result<Self, LoadFailure> {
        opt_out_of_telemetry();
        let unusable = |e: libloading::Error| LoadFailure::Unusable(e.to_string());
        // SAFETY: the user, or the search in `locate`, names this file as ONNX Runtime; its initializers run.
        let library = unsafe { libloading::Library::new(path) }.map_err(unusable)?;
        // SAFETY: the symbol's type is fixed by ONNX Runtime's C header since version 1.0.
        let base = unsafe {
            library
                .get::<unsafe extern "system" fn() -> *const sys::OrtApiBase>(b"OrtGetApiBase\0")
                .map_err(unusable)?()
        };
        // SAFETY: the library returns null or a static table.
        let base = unsafe { base.as_ref() }
            .ok_or_else(|| LoadFailure::Unusable("its OrtGetApiBase returns nothing".to_owned()))?;
        // SAFETY: the function returns a static string.
        let version = unsafe { CStr::from_ptr((base.GetVersionString)()) }.to_string_lossy().into_owned();
        if !is_recent(&version) {
            return Err(LoadFailure::TooOld { version });
        }
        // SAFETY: null, or a static table that begins with the functions of the version asked for.
        let table = unsafe { (base.GetApi)(OLDEST_MINOR).as_ref() }
            .ok_or_else(|| LoadFailure::Unusable(format!("version {version} gives no function table")))?;
        // Unloading would pull the code from under threads that the library has started.
        std::mem::forget(library);
        Self::with_table(table, version).map_err(|status| LoadFailure::Unusable(status.message))
    }

    fn with_table(table: &'static sys::OrtApi, version: String) -> Result<Self, Status> {
        let mut env = ptr::null_mut();
        // SAFETY: the logger ignores all its arguments; the out pointer is valid.
        check(table, unsafe {
            (table.CreateEnvWithCustomLogger)(
                discard_log,
                ptr::null_mut(),
                sys::OrtLoggingLevel::ORT_LOGGING_LEVEL_FATAL,
                c"onnxpress".as_ptr(),
                &mut env,
            )
        })?;
        // SAFETY: `env` is the environment just made.
        check(table, unsafe { (table.DisableTelemetryEvents)(env) })?;
        let mut allocator = ptr::null_mut();
        // SAFETY: the out pointer is valid; the allocator returned is static.
        check(table, unsafe { (table.GetAllocatorWithDefaultOptions)(&mut allocator) })?;
        match (NonNull::new(env), NonNull::new(allocator)) {
            (Some(env), Some(allocator)) => Ok(Self { table, env, allocator, version }),
            _ => Err(Status::of_ours("it gives no environment")),
        }
    }

    /// Turns a status into a result and frees it.
    pub(super) fn check(&self, status: sys::OrtStatusPtr) -> Result<(), Status> {
        check(self.table, status)
    }

    /// Takes over a handle that a call has filled in.
    ///
    /// # Safety
    /// `ptr` is null, or a handle that `release` frees and that nobody else frees.
    pub(super) unsafe fn own<T>(
        ptr: *mut T,
        release: unsafe extern "system" fn(*mut T),
    ) -> Result<Owned<T>, Status> {
        let ptr = NonNull::new(ptr).ok_or_else(|| Status::of_ours("ONNX Runtime returned nothing"))?;
        Ok(Owned { ptr, release })
    }

    /// Takes over a value.
    ///
    /// # Safety
    /// As for [`Api::own`].
    pub(super) unsafe fn own_value(&self, ptr: *mut sys::OrtValue) -> Result<Owned<sys::OrtValue>, Status> {
        // SAFETY: passed on to the caller.
        unsafe { Self::own(ptr, self.table.ReleaseValue) }
    }

    /// Copies a string that the default allocator holds, and frees it.
    ///
    /// # Safety
    /// `text` is null or a terminated string of that allocator, freed nowhere else.
    pub(super) unsafe fn take_string(&self, text: *mut c_char) -> Result<String, Status> {
        if text.is_null() {
            return Err(Status::of_ours("ONNX Runtime returned no name"));
        }
        // SAFETY: terminated, as the caller promises.
        let copy = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        // SAFETY: it belongs to this allocator and is not used after this.
        self.check(unsafe { (self.table.AllocatorFree)(self.allocator.as_ptr(), text.cast()) })?;
        Ok(copy)
    }
}

/// From 1.29 on, ONNX Runtime writes a device identifier and uploads events, names of models among them, from the moment
/// its environment is made. Only this variable prevents that; `DisableTelemetryEvents` comes too late.
const NO_TELEMETRY: &str = "ORT_DISABLE_TELEMETRY";

/// Sets the variable for this process, unless the user has decided.
fn opt_out_of_telemetry() {
    if std::env::var_os(NO_TELEMETRY).is_none() {
        // SAFETY: Rust's readers of the environment share its lock, and no foreign code that reads it is loaded yet.
        unsafe { std::env::set_var(NO_TELEMETRY, "1") };
    }
}

fn check(table: &sys::OrtApi, status: sys::OrtStatusPtr) -> Result<(), Status> {
    let Some(ptr) = NonNull::new(status.0) else { return Ok(()) };
    type GetCode = unsafe extern "system" fn(*const sys::OrtStatus) -> i32;
    // SAFETY: `OrtErrorCode` is an `int` in C; a newer library may return one that the Rust enum lacks.
    let get_code: GetCode = unsafe { std::mem::transmute(table.GetErrorCode) };
    // SAFETY: the status is valid until it is released below; the message is a terminated string in it.
    let (code, message) = unsafe {
        let message = CStr::from_ptr((table.GetErrorMessage)(ptr.as_ptr()));
        (get_code(ptr.as_ptr()), message.to_string_lossy().into_owned())
    };
    // SAFETY: released once.
    unsafe { (table.ReleaseStatus)(ptr.as_ptr()) };
    Err(Status { code, message })
}

fn is_recent(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    (major, minor) >= (1, OLDEST_MINOR)
}

/// A terminated string for the C API.
pub(super) fn c_string(text: &str) -> Result<CString, Status> {
    CString::new(text).map_err(|_| Status::of_ours(format!("the name {text:?} holds a zero byte")))
}

/// A path as the C API takes it.
#[cfg(unix)]
pub(super) fn c_path(path: &Path) -> Result<Vec<sys::os_char>, Status> {
    use std::os::unix::ffi::OsStrExt;
    let bytes = path.as_os_str().as_bytes();
    if bytes.contains(&0) {
        return Err(Status::of_ours("the path holds a zero byte"));
    }
    Ok(bytes.iter().chain(&[0]).map(|&b| b as sys::os_char).collect())
}

/// A path as the C API takes it.
#[cfg(windows)]
pub(super) fn c_path(path: &Path) -> Result<Vec<sys::os_char>, Status> {
    use std::os::windows::ffi::OsStrExt;
    let mut wide: Vec<sys::os_char> = path.as_os_str().encode_wide().collect();
    if wide.contains(&0) {
        return Err(Status::of_ours("the path holds a zero byte"));
    }
    wide.push(0);
    Ok(wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_below_the_oldest_are_told_apart() {
        for (version, recent) in [
            ("1.20.1", false),
            ("1.21.9", false),
            ("1.22.0", true),
            ("1.31.1", true),
            ("2.0", true),
            ("x", false),
        ] {
            assert_eq!(is_recent(version), recent, "{version}");
        }
    }
}
