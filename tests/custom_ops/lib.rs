//! A library of custom operators for tests: `test.custom.Twice`, of one float tensor.
#![allow(unsafe_code)]

use ort_sys as sys;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::OnceLock;

const VERSION: u32 = 22;
const DOMAIN: &CStr = c"test.custom";
const NAME: &CStr = c"Twice";

type Status = sys::OrtStatusPtr;

/// ONNX Runtime's functions, valid as long as the process.
struct Functions(&'static sys::OrtApi);
// SAFETY: a table of functions that is never written.
unsafe impl Sync for Functions {}
unsafe impl Send for Functions {}

static FUNCTIONS: OnceLock<Functions> = OnceLock::new();

struct Op(sys::OrtCustomOp);
// SAFETY: functions and a number.
unsafe impl Sync for Op {}

static TWICE: Op = Op(sys::OrtCustomOp {
    version: VERSION,
    CreateKernel: None,
    GetName: Some(name),
    GetExecutionProviderType: Some(provider),
    GetInputType: Some(element),
    GetInputTypeCount: Some(one),
    GetOutputType: Some(element),
    GetOutputTypeCount: Some(one),
    KernelCompute: None,
    KernelDestroy: Some(destroy),
    GetInputCharacteristic: Some(required),
    GetOutputCharacteristic: Some(required),
    GetInputMemoryType: Some(memory),
    GetVariadicInputMinArity: Some(single),
    GetVariadicInputHomogeneity: Some(single),
    GetVariadicOutputMinArity: Some(single),
    GetVariadicOutputHomogeneity: Some(single),
    CreateKernelV2: Some(create),
    KernelComputeV2: Some(compute),
    InferOutputShapeFn: None,
    GetStartVersion: Some(single),
    GetEndVersion: Some(newest),
    GetMayInplace: None,
    ReleaseMayInplace: None,
    GetAliasMap: None,
    ReleaseAliasMap: None,
});

/// What ONNX Runtime calls in a library of custom operators.
///
/// # Safety
/// The arguments are ONNX Runtime's.
#[unsafe(no_mangle)]
pub unsafe extern "system" fn RegisterCustomOps(
    options: *mut sys::OrtSessionOptions,
    base: *const sys::OrtApiBase,
) -> Status {
    // SAFETY: of this function.
    unsafe {
        let table = ((*base).GetApi)(VERSION);
        let api = FUNCTIONS.get_or_init(|| Functions(&*table)).0;
        let mut domain = ptr::null_mut();
        let made = (api.CreateCustomOpDomain)(DOMAIN.as_ptr(), &mut domain);
        if !made.0.is_null() {
            return made;
        }
        let added = (api.CustomOpDomain_Add)(domain, &TWICE.0);
        if !added.0.is_null() {
            return added;
        }
        (api.AddCustomOpDomain)(options, domain)
    }
}

unsafe extern "system" fn name(_: *const sys::OrtCustomOp) -> *const c_char {
    NAME.as_ptr()
}

unsafe extern "system" fn provider(_: *const sys::OrtCustomOp) -> *const c_char {
    ptr::null()
}

unsafe extern "system" fn element(_: *const sys::OrtCustomOp, _: usize) -> sys::ONNXTensorElementDataType {
    sys::ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
}

unsafe extern "system" fn one(_: *const sys::OrtCustomOp) -> usize {
    1
}

unsafe extern "system" fn single(_: *const sys::OrtCustomOp) -> c_int {
    1
}

unsafe extern "system" fn newest(_: *const sys::OrtCustomOp) -> c_int {
    c_int::MAX
}

unsafe extern "system" fn required(
    _: *const sys::OrtCustomOp,
    _: usize,
) -> sys::OrtCustomOpInputOutputCharacteristic {
    sys::OrtCustomOpInputOutputCharacteristic::INPUT_OUTPUT_REQUIRED
}

unsafe extern "system" fn memory(_: *const sys::OrtCustomOp, _: usize) -> sys::OrtMemType {
    sys::OrtMemType::OrtMemTypeDefault
}

unsafe extern "system" fn create(
    _: *const sys::OrtCustomOp,
    _: *const sys::OrtApi,
    _: *const sys::OrtKernelInfo,
    kernel: *mut *mut c_void,
) -> Status {
    // SAFETY: ONNX Runtime's out pointer; the kernel has no state.
    unsafe { *kernel = ptr::null_mut() };
    Status::default()
}

unsafe extern "system" fn destroy(_: *mut c_void) {}

unsafe extern "system" fn compute(_: *mut c_void, context: *mut sys::OrtKernelContext) -> Status {
    let api = FUNCTIONS.get().expect("registered before").0;
    macro_rules! check {
        ($call:expr) => {
            let status = $call;
            if !status.0.is_null() {
                return status;
            }
        };
    }
    // SAFETY: the context is valid during the call; both tensors hold as many floats as the shape says.
    unsafe {
        let (mut input, mut output) = (ptr::null(), ptr::null_mut());
        let (mut shape, mut rank, mut count) = (ptr::null_mut(), 0, 0);
        check!((api.KernelContext_GetInput)(context, 0, &mut input));
        check!((api.GetTensorTypeAndShape)(input, &mut shape));
        check!((api.GetDimensionsCount)(shape, &mut rank));
        let mut dims = vec![0; rank];
        check!((api.GetDimensions)(shape, dims.as_mut_ptr(), rank));
        check!((api.GetTensorShapeElementCount)(shape, &mut count));
        (api.ReleaseTensorTypeAndShapeInfo)(shape);
        check!((api.KernelContext_GetOutput)(context, 0, dims.as_ptr(), rank, &mut output));
        let (mut from, mut to) = (ptr::null_mut(), ptr::null_mut());
        check!((api.GetTensorMutableData)(input.cast_mut(), &mut from));
        check!((api.GetTensorMutableData)(output, &mut to));
        if count > 0 {
            let from = std::slice::from_raw_parts(from.cast::<f32>(), count);
            let to = std::slice::from_raw_parts_mut(to.cast::<f32>(), count);
            to.iter_mut().zip(from).for_each(|(y, x)| *y = 2.0 * x);
        }
    }
    Status::default()
}
