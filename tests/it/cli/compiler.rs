//! What is quantized for TensorRT-RTX, given to its compiler: `ONNXPRESS_RTX_PYTHON` names a Python that has it.

use super::Place;
use serde_json::json;

const RESIDUAL: &str = r#"<ir_version: 8, opset_import: ["" : 13]>
g (float[1,3,16,16] x) => (float[1,10] y)
<float[16,3,3,3] w = random(1), float[16] b = random(2), float[16,16,3,3] u = random(3), float[16,1,3,3] d = random(4),
 float[10,16] h = random(5), float[10] c = random(6)>
{
    [stem] a = Conv <pads = [1, 1, 1, 1]> (x, w, b)
    r = Relu (a)
    p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
    [inner] e = Conv <pads = [1, 1, 1, 1]> (p, u)
    s = Add (e, p)
    t = Relu (s)
    [depthwise] f = Conv <pads = [1, 1, 1, 1], group = 16> (t, d)
    g = GlobalAveragePool (f)
    v = Flatten (g)
    [head] y = Gemm <transB = 1> (v, h, c)
}"#;

/// A block of attention, whose three products are one with a bias.
const ATTENTION: &str = r#"<ir_version: 8, opset_import: ["" : 13]>
g (float[1,16,32] x) => (float[1,16,32] y)
<float[32,96] w = random(1), float[96] b = random(2), float[32,32] o = random(3), float[32,64] u = random(4),
 float[64,32] d = random(5), int64[3] p = {32, 32, 32}, int64[4] h = {0, 0, 4, 8}, int64[3] j = {0, 0, 32}>
{
    [in] m = MatMul (x, w)
    a = Add (m, b)
    q, k, v = Split <axis = 2> (a, p)
    q1 = Reshape (q, h)
    k1 = Reshape (k, h)
    v1 = Reshape (v, h)
    q2 = Transpose <perm = [0, 2, 1, 3]> (q1)
    k2 = Transpose <perm = [0, 2, 3, 1]> (k1)
    v2 = Transpose <perm = [0, 2, 1, 3]> (v1)
    s = MatMul (q2, k2)
    f = Softmax <axis = 3> (s)
    c = MatMul (f, v2)
    t = Transpose <perm = [0, 2, 1, 3]> (c)
    e = Reshape (t, j)
    [out] g = MatMul (e, o)
    i = Add (g, x)
    [up] l = MatMul (i, u)
    n = Relu (l)
    [down] y = MatMul (n, d)
}"#;

/// Where the compiler is not there, as in `.ci/run` it is, there is nobody to ask.
#[test]
fn what_is_planned_for_tensorrt_runs_in_int8() {
    let Ok(python) = std::env::var("ONNXPRESS_RTX_PYTHON") else { return };
    for (name, text, planned) in
        [("cnn", RESIDUAL, json!({"Conv": 3, "Gemm": 1})), ("attention", ATTENTION, json!({"MatMul": 4}))]
    {
        let place = Place::new();
        place.model("a.onnx", text);
        let args = ["quantize", "a.onnx", "-o", "q.onnx", "--target", "tensorrt-rtx", "--random-data"];
        let more = ["--no-verify", "--build", "--python", &python, "--json"];
        let ran = place.run(&[&args[..], &more[..]].concat());
        let report = ran.json();
        assert_eq!(report["build"]["built"], true, "{name}: {}", report["build"]);
        assert_eq!(report["kernels"], json!([{"planned": planned, "found": {"Int8": 4}}]), "{name}");
    }
}
