//! A session of ONNX Runtime: a model that is loaded once and run on inputs by name.

use super::api::{Api, Owned, c_path, c_string};
use super::errors::Status;
use super::values::Kind;
use crate::error::Error;
use crate::runtime::{Optimization, RunError, RunValue, Session, SessionOptions, Source};
use ort_sys as sys;
use std::ffi::{CStr, CString, c_char};
use std::path::Path;
use std::ptr;
use std::time::{Duration, Instant};

const EXTERNAL_DATA_FOLDER: &CStr = c"session.model_external_initializers_file_folder_path";

type GetCount = unsafe extern "system" fn(*const sys::OrtSession, *mut usize) -> sys::OrtStatusPtr;
type GetName = unsafe extern "system" fn(
    *const sys::OrtSession,
    usize,
    *mut sys::OrtAllocator,
    *mut *mut c_char,
) -> sys::OrtStatusPtr;
type GetType =
    unsafe extern "system" fn(*const sys::OrtSession, usize, *mut *mut sys::OrtTypeInfo) -> sys::OrtStatusPtr;

pub(super) struct OrtSession {
    api: &'static Api,
    session: Owned<sys::OrtSession>,
    inputs: Signature,
    outputs: Signature,
}

/// Names and kinds, in the model's order.
struct Signature {
    names: Vec<String>,
    kinds: Vec<Kind>,
}

impl Signature {
    fn kind(&self, name: &str) -> Option<&Kind> {
        self.names.iter().position(|n| n == name).map(|at| &self.kinds[at])
    }
}

impl OrtSession {
    pub(super) fn new(
        api: &'static Api,
        model: &Source,
        options: &SessionOptions,
        custom_ops: Option<&Path>,
    ) -> Result<Self, RunError> {
        let session = match model {
            Source::File(path) => check_file(path)
                .and_then(|()| create(api, model, options, custom_ops))
                .map_err(|error| match error {
                    RunError::Failed(error) => RunError::Failed(error.in_file(path)),
                    unsupported => unsupported,
                })?,
            // ONNX Runtime narrows the length to a C int without a look.
            Source::Bytes { model, .. } if i32::try_from(model.len()).is_err() => {
                let message = format!("a model of {} bytes in memory, more than 2 GiB", model.len());
                return Err(RunError::Unsupported(message));
            }
            Source::Bytes { .. } => create(api, model, options, custom_ops)?,
        };
        let table = api.table;
        let inputs = signature(
            api,
            &session,
            table.SessionGetInputCount,
            table.SessionGetInputName,
            table.SessionGetInputTypeInfo,
        )?;
        let outputs = signature(
            api,
            &session,
            table.SessionGetOutputCount,
            table.SessionGetOutputName,
            table.SessionGetOutputTypeInfo,
        )?;
        Ok(Self { api, session, inputs, outputs })
    }

    /// Runs the model and returns ONNX Runtime's own values, in the order of `outputs`, which has no name twice.
    pub(super) fn run_raw(
        &self,
        feeds: &[(CString, Owned<sys::OrtValue>)],
        outputs: &[CString],
    ) -> Result<Vec<Owned<sys::OrtValue>>, Status> {
        let names: Vec<*const c_char> = feeds.iter().map(|(name, _)| name.as_ptr()).collect();
        let values: Vec<*const sys::OrtValue> =
            feeds.iter().map(|(_, value)| value.as_ptr().cast_const()).collect();
        let wanted: Vec<*const c_char> = outputs.iter().map(|name| name.as_ptr()).collect();
        let mut results = vec![ptr::null_mut(); outputs.len()];
        // SAFETY: all lists have the lengths given and live until the call returns; null outputs are filled in.
        let status = unsafe {
            (self.api.table.Run)(
                self.session.as_ptr(),
                ptr::null(),
                names.as_ptr(),
                values.as_ptr(),
                values.len(),
                wanted.as_ptr(),
                wanted.len(),
                results.as_mut_ptr(),
            )
        };
        // SAFETY: each result is null or a new value that is ours.
        let owned: Vec<_> = results.into_iter().map(|value| unsafe { self.api.own_value(value) }).collect();
        self.api.check(status)?;
        owned.into_iter().collect()
    }
}

impl OrtSession {
    fn written(&self, feeds: &[(&str, &RunValue)]) -> Result<Vec<(CString, Owned<sys::OrtValue>)>, RunError> {
        let write = |&(name, value): &(&str, &RunValue)| {
            let kind = self.inputs.kind(name).unwrap_or(&Kind::Other);
            Ok((c_string(name)?, self.api.write(value, kind)?))
        };
        feeds.iter().map(write).collect()
    }
}

impl Session for OrtSession {
    fn inputs(&self) -> &[String] {
        &self.inputs.names
    }

    fn outputs(&self) -> &[String] {
        &self.outputs.names
    }

    fn run(&mut self, feeds: &[(&str, &RunValue)], outputs: &[&str]) -> Result<Vec<RunValue>, RunError> {
        let feeds = self.written(feeds)?;
        let mut names: Vec<&str> = Vec::with_capacity(outputs.len());
        for name in outputs {
            if !names.contains(name) {
                names.push(name);
            }
        }
        let wanted = names.iter().map(|name| c_string(name)).collect::<Result<Vec<_>, _>>()?;
        let results = self.run_raw(&feeds, &wanted)?;
        let mut values: Vec<RunValue> = Vec::with_capacity(names.len());
        for (result, name) in results.into_iter().zip(&names) {
            let value = self.api.read(result)?;
            let wrap = matches!(self.outputs.kind(name), Some(Kind::Optional(_)));
            values.push(match value {
                RunValue::Optional(_) => value,
                _ if wrap => RunValue::Optional(Some(Box::new(value))),
                _ => value,
            });
        }
        if names.len() == outputs.len() {
            return Ok(values);
        }
        let at = |name| names.iter().position(|n| n == name).expect("every output was put in");
        Ok(outputs.iter().map(|name| values[at(name)].clone()).collect())
    }

    fn time(&mut self, feeds: &[(&str, &RunValue)]) -> Result<Duration, RunError> {
        let feeds = self.written(feeds)?;
        let names: Vec<CString> = self.outputs.names.iter().map(|n| c_string(n)).collect::<Result<_, _>>()?;
        let start = Instant::now();
        let results = self.run_raw(&feeds, &names)?;
        let time = start.elapsed();
        drop(results);
        Ok(time)
    }
}

/// ONNX Runtime would take a folder for a package of models.
fn check_file(path: &Path) -> Result<(), RunError> {
    let metadata = std::fs::metadata(path).map_err(Error::from)?;
    if metadata.is_dir() {
        return Err(Error::new("this is a folder, not a model").into());
    }
    Ok(())
}

fn create(
    api: &Api,
    model: &Source,
    options: &SessionOptions,
    custom_ops: Option<&Path>,
) -> Result<Owned<sys::OrtSession>, RunError> {
    let folder = match model {
        Source::File(_) => None,
        Source::Bytes { folder, .. } => folder.as_deref(),
    };
    let options = session_options(api, options, folder)?;
    custom_ops.map_or(Ok(()), |library| register(api, &options, library))?;
    let (table, env) = (api.table, api.env.as_ptr().cast_const());
    let mut out = ptr::null_mut();
    // SAFETY: environment, options, path and bytes are valid during the call, which copies what it keeps.
    let session = unsafe {
        let status = match model {
            Source::File(path) => {
                let path = c_path(path)?;
                (table.CreateSession)(env, path.as_ptr(), options.as_ptr(), &mut out)
            }
            Source::Bytes { model, .. } => {
                let data = model.as_ptr().cast();
                (table.CreateSessionFromArray)(env, data, model.len(), options.as_ptr(), &mut out)
            }
        };
        api.check(status)?;
        Api::own(out, table.ReleaseSession)?
    };
    Ok(session)
}

fn session_options(
    api: &Api,
    options: &SessionOptions,
    folder: Option<&Path>,
) -> Result<Owned<sys::OrtSessionOptions>, Status> {
    let table = api.table;
    let threads =
        i32::try_from(options.threads).map_err(|_| Status::of_ours("the number of threads is too large"))?;
    let level = match options.optimize {
        Optimization::None => sys::GraphOptimizationLevel::ORT_DISABLE_ALL,
        Optimization::Basic => sys::GraphOptimizationLevel::ORT_ENABLE_BASIC,
        Optimization::Extended => sys::GraphOptimizationLevel::ORT_ENABLE_EXTENDED,
        Optimization::All => sys::GraphOptimizationLevel::ORT_ENABLE_ALL,
    };
    let mut out = ptr::null_mut();
    // SAFETY: the out pointer is valid, the options are ours.
    let made = unsafe {
        api.check((table.CreateSessionOptions)(&mut out))?;
        Api::own(out, table.ReleaseSessionOptions)?
    };
    // SAFETY: the options are valid.
    unsafe {
        api.check((table.SetIntraOpNumThreads)(made.as_ptr(), threads))?;
        api.check((table.SetInterOpNumThreads)(made.as_ptr(), 1))?;
        api.check((table.SetSessionGraphOptimizationLevel)(made.as_ptr(), level))?;
        api.check((table.SetDeterministicCompute)(made.as_ptr(), !options.deployed))?;
        if !options.deployed {
            // An arena keeps what the largest run took, and these sessions run a few times only.
            api.check((table.DisableCpuMemArena)(made.as_ptr()))?;
        }
        api.check((table.SetSessionLogSeverityLevel)(made.as_ptr(), LOG_FATAL))?;
    }
    if let Some(folder) = folder {
        let folder = folder.to_str().ok_or_else(|| Status::of_ours("the folder's name is not UTF-8"))?;
        let folder = c_string(folder)?;
        // SAFETY: both strings are terminated and copied.
        api.check(unsafe {
            (table.AddSessionConfigEntry)(made.as_ptr(), EXTERNAL_DATA_FOLDER.as_ptr(), folder.as_ptr())
        })?;
    }
    if let Some(file) = &options.optimized {
        let file = c_path(file)?;
        // SAFETY: the path is terminated and copied.
        api.check(unsafe { (table.SetOptimizedModelFilePath)(made.as_ptr(), file.as_ptr()) })?;
    }
    Ok(made)
}

/// Makes the operators of a library known to the sessions that are made with these options.
fn register(api: &Api, options: &Owned<sys::OrtSessionOptions>, library: &Path) -> Result<(), Status> {
    let library = c_path(library)?;
    // SAFETY: the user named this library to be run; the options are ours and the path is terminated.
    api.check(unsafe { (api.table.RegisterCustomOpsLibrary_V2)(options.as_ptr(), library.as_ptr()) })
}

/// Loads a library of custom operators, for what it may answer.
pub(super) fn try_custom_ops(api: &Api, library: &Path) -> Result<(), Status> {
    register(api, &session_options(api, &SessionOptions::default(), None)?, library)
}

const LOG_FATAL: i32 = sys::OrtLoggingLevel::ORT_LOGGING_LEVEL_FATAL as i32;

fn signature(
    api: &Api,
    session: &Owned<sys::OrtSession>,
    get_count: GetCount,
    get_name: GetName,
    get_type: GetType,
) -> Result<Signature, Status> {
    let mut count = 0;
    // SAFETY: the session is valid.
    api.check(unsafe { get_count(session.as_ptr(), &mut count) })?;
    let (mut names, mut kinds) = (Vec::new(), Vec::new());
    for index in 0..count {
        let (mut name, mut info) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the index is below the count; name and type are ours to free.
        unsafe {
            api.check(get_name(session.as_ptr(), index, api.allocator.as_ptr(), &mut name))?;
            names.push(api.take_string(name)?);
            api.check(get_type(session.as_ptr(), index, &mut info))?;
            kinds.push(api.kind(&Api::own(info, api.table.ReleaseTypeInfo)?)?);
        }
    }
    Ok(Signature { names, kinds })
}
