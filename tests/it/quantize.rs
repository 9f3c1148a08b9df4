//! Whole numbers against ONNX Runtime: what it rounds, and what quantized nodes return.

mod measured;
mod runs;
mod smoothed;

use crate::fixtures::onnx_runtime;
use onnxpress::analysis::Facts;
use onnxpress::analysis::verify;
use onnxpress::diag::Diags;
use onnxpress::io::to_bytes;
use onnxpress::ir::{Model, NodeId};
use onnxpress::quantize::{
    Affine, Choice, Grid, Place, Role, Weights, bias, choose, not_finite, place, plan, wanted,
};
use onnxpress::runtime::{RunValue, Runtime, SessionOptions, Source};
use onnxpress::tensor::{DType, Tensor};
use onnxpress::text::parse_model;

fn model(text: &str) -> Model {
    let mut model = parse_model(text).unwrap();
    Facts::new().infer_model(&mut model, &mut Diags::new());
    model
}

fn only(model: &Model, op: &str) -> NodeId {
    model.graph.nodes().find(|(_, n)| n.op().is(op)).unwrap().0
}

fn constant(model: &Model, node: NodeId, at: usize) -> Tensor {
    model.graph.const_value(model.graph.node(node).input(at).unwrap()).unwrap()
}

fn run(model: &Model, feeds: &[(&str, Tensor)]) -> Vec<f32> {
    verify(model).unwrap();
    let source = Source::bytes(to_bytes(model).unwrap());
    let mut session = onnx_runtime().session(&source, &SessionOptions::default()).unwrap();
    let feeds: Vec<(&str, RunValue)> = feeds.iter().map(|(n, t)| (*n, RunValue::Tensor(t.clone()))).collect();
    let feeds: Vec<(&str, &RunValue)> = feeds.iter().map(|(n, v)| (*n, v)).collect();
    let outputs = session.outputs().to_vec();
    let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
    let RunValue::Tensor(first) = session.run(&feeds, &outputs).unwrap().remove(0) else { panic!() };
    first.to_vec::<f32>().unwrap()
}

/// The operators of a model as ONNX Runtime has optimized it.
fn optimized(model: &Model) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("optimized.onnx");
    let options = SessionOptions {
        optimize: onnxpress::runtime::Optimization::All,
        optimized: Some(path.clone()),
        ..SessionOptions::default()
    };
    onnx_runtime().session(&Source::bytes(to_bytes(model).unwrap()), &options).unwrap();
    let optimized = onnxpress::io::load(&path).unwrap().model;
    optimized.graph.nodes().map(|(_, n)| n.op().name.to_owned()).collect()
}

/// Numbers of every magnitude, halves between steps, and the infinities.
fn samples(scale: f32) -> Vec<f32> {
    let mut state = 1u64;
    let mut values: Vec<f32> = (0..4000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let unit = (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
            unit * scale * 300.0
        })
        .collect();
    values.extend((-600..600).map(|half| half as f32 * 0.5 * scale));
    values.extend([
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
        0.0,
        -0.0,
        f32::MIN_POSITIVE,
        1e-45,
    ]);
    values
}

#[test]
fn values_are_rounded_as_onnx_runtime_rounds_them() {
    let affines = [
        Grid::SIGNED.fit(-3.0, 2.0).unwrap(),
        Grid::SIGNED.fit(-0.0, 1e-3).unwrap(),
        Grid::UNSIGNED.fit(-1.7, 4.2).unwrap(),
        Grid::UNSIGNED.fit(0.0, 6.0).unwrap(),
        Grid::UNSIGNED.fit(-6.5, -2.0).unwrap(),
        Grid::UNSIGNED.fit(0.0, 0.0).unwrap(),
        Affine { grid: Grid::SIGNED, scale: 0.5, zero: 0 },
    ];
    for affine in affines {
        let mut quantized = model(
            "<ir_version: 8, opset_import: [\"\" : 13]> g (float[N] x) => (float[N] y) { y = Neg (x) }",
        );
        let node = only(&quantized, "Neg");
        let nothing =
            Place { node, inputs: vec![(0, affine)], weights: vec![], bias: None, output: None, table: None };
        place(&mut quantized.graph, &[nothing]);
        let values = samples(affine.scale);
        let got = run(&quantized, &[("x", Tensor::vector(&values))]);
        for (value, got) in values.iter().zip(&got) {
            let want = -affine.through(*value) + 0.0;
            assert_eq!(want.to_bits(), (got + 0.0).to_bits(), "{value} at {affine:?}");
        }
    }
}

#[test]
fn a_convolution_in_whole_numbers_is_its_own_simulation_in_floats() {
    let text = "<ir_version: 8, opset_import: [\"\" : 13]>\n\
        g (float[1,2,4,4] x) => (float[1,3,3,3] y)\n\
        <float[3,2,2,2] w = {0.1, -0.5, 1, 2, -3, 0.25, 0.75, 1.5, 4, 2, 1, 0.5, -1, -2, -0.5, 3,\n\
          0, 0.01, -0.02, 0.03, 0.04, 0.05, -0.06, 0.07}, float[3] b = {0.5, -20, 0.003}>\n\
        { y = Conv (x, w, b) }";
    let mut quantized = model(text);
    let node = only(&quantized, "Conv");
    let (input, output) = (Grid::UNSIGNED.fit(-2.0, 3.0).unwrap(), Grid::UNSIGNED.fit(-40.0, 30.0).unwrap());
    let weights = Weights::round(&constant(&quantized, node, 1), Some(0), Grid::SIGNED).unwrap();
    let (numbers, scales) = bias(&constant(&quantized, node, 2), input.scale, &weights.scales).unwrap();
    assert_eq!(scales, weights.scales);
    let steps: Vec<f32> = scales.iter().map(|s| s * input.scale).collect();
    let places = Place {
        node,
        inputs: vec![(0, input)],
        weights: vec![(1, weights.clone())],
        bias: Some((2, numbers.clone(), steps.clone())),
        output: Some(output),
        table: None,
    };
    place(&mut quantized.graph, &[places]);
    let names: Vec<String> =
        quantized.graph.root().outputs().map(|v| quantized.graph.value(v).name().to_string()).collect();
    assert_eq!(names, ["y"]);

    let x: Vec<f32> = (0..32).map(|i| ((i * 37) % 101) as f32 / 20.0 - 2.0).collect();
    let image = |values: &[f32]| ("x", Tensor::from_slice(&[1, 2, 4, 4], values).unwrap());
    let mut simulation = model(text);
    let node = only(&simulation, "Conv");
    let share = 8;
    let w: Vec<f32> = weights
        .numbers
        .to_i64s()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(i, q)| *q as f32 * weights.scales[i / share])
        .collect();
    let b: Vec<f32> = numbers.iter().zip(&steps).map(|(q, s)| *q as f32 * s).collect();
    for (at, tensor) in [(1, Tensor::from_slice(&[3, 2, 2, 2], &w).unwrap()), (2, Tensor::vector(&b))] {
        let region = simulation.graph.node(node).region();
        let name = simulation.graph.fresh_name("rounded");
        let value = simulation.graph.add_initializer(region, name, tensor);
        simulation.graph.set_operand(node, at, Some(value));
    }
    let rounded: Vec<f32> = x.iter().map(|v| input.through(*v)).collect();
    let want = run(&simulation, &[image(&rounded)]);
    let got = run(&quantized, &[image(&x)]);
    assert_eq!(got.len(), want.len());
    for (want, got) in want.iter().zip(got) {
        assert!((output.through(*want) - got).abs() <= output.scale * 1.001, "{want} {got}");
        assert!((want - got).abs() <= output.scale * 0.51 + 1e-4, "{want} {got}");
    }
}

#[test]
fn a_bias_of_two_convolutions_has_the_scale_of_each() {
    let mut quantized = model(
        "<ir_version: 8, opset_import: [\"\" : 13]>\n\
         g (float[1,1,2,2] x, float[1,1,2,2] z) => (float[1,1,2,2] y, float[1,1,2,2] u)\n\
         <float[1,1,1,1] w = {2}, float[1] b = {5}>\n\
         { y = Conv (x, w, b)\n u = Conv (z, w, b) }",
    );
    let places: Vec<Place> = [0.01f32, 0.5]
        .into_iter()
        .zip(quantized.graph.nodes().map(|(id, _)| id).collect::<Vec<_>>())
        .map(|(scale, node)| {
            let weights = Weights::round(&constant(&quantized, node, 1), Some(0), Grid::SIGNED).unwrap();
            let (numbers, scales) = bias(&constant(&quantized, node, 2), scale, &weights.scales).unwrap();
            let steps = scales.iter().map(|s| s * scale).collect();
            let input = Affine { grid: Grid::UNSIGNED, scale, zero: 0 };
            let output = Some(Grid::UNSIGNED.fit(0.0, 25.5).unwrap());
            let bias = Some((2, numbers, steps));
            Place { node, inputs: vec![(0, input)], weights: vec![(1, weights)], bias, output, table: None }
        })
        .collect();
    place(&mut quantized.graph, &places);
    let zeros = Tensor::from_slice(&[1, 1, 2, 2], &[0f32; 4]).unwrap();
    let optimized = optimized(&quantized);
    assert_eq!(optimized.iter().filter(|op| *op == "QLinearConv").count(), 2, "{optimized:?}");
    assert_eq!(run(&quantized, &[("x", zeros.clone()), ("z", zeros)]), [5.0; 4]);
}

#[test]
fn what_several_nodes_read_is_quantized_once_and_what_is_dequantized_not_again() {
    let mut quantized = model(
        "<ir_version: 8, opset_import: [\"\" : 13]>\n\
         g (float[2,2] x) => (float[2,2] y, float[2,2] z)\n\
         <float[2,2] w = {1, 2, 3, 4}>\n\
         { a = MatMul (x, w)\n y = MatMul (a, w)\n z = MatMul (x, w) }",
    );
    let affine = Grid::UNSIGNED.fit(-1.0, 10.0).unwrap();
    let nodes: Vec<NodeId> = quantized.graph.nodes().map(|(id, _)| id).collect();
    let weights = Weights::round(&constant(&quantized, nodes[0], 1), Some(1), Grid::SIGNED).unwrap();
    let places: Vec<Place> = nodes
        .iter()
        .map(|&node| Place {
            node,
            inputs: vec![(0, affine)],
            weights: vec![(1, weights.clone())],
            bias: None,
            output: (node == nodes[0]).then_some(affine),
            table: None,
        })
        .collect();
    place(&mut quantized.graph, &places);
    let count = |op: &str| quantized.graph.nodes().filter(|(_, n)| n.op().is(op)).count();
    assert_eq!((count("QuantizeLinear"), count("DequantizeLinear"), count("MatMul")), (2, 3, 3));
    // Numbers and zero points of the weight, and one zero point for both values.
    let of = |dtype| {
        let constants = quantized.graph.initializers(onnxpress::ir::RegionId::ROOT);
        constants.filter(|&v| quantized.graph.dtype(v) == Some(dtype)).count()
    };
    assert_eq!((of(DType::I8), of(DType::U8)), (2, 1));
    let x = Tensor::from_slice(&[2, 2], &[1f32, 2.0, 3.0, -1.0]).unwrap();
    let got = run(&quantized, &[("x", x)]);
    for (got, want) in got.iter().zip([37.0, 54.0, 6.0, 8.0]) {
        assert!((got - want).abs() < 1.0, "{got} {want}");
    }
}

const RESIDUAL: &str = "<ir_version: 8, opset_import: [\"\" : 13]>\n\
    g (float[1,2,4,4] x) => (float[1,3] y)\n\
    <float[2,2,1,1] w = {1, -0.5, 0.25, 2}, float[2] b = {0.5, -1}, float[2,2,1,1] u = {-1, 0.5, 0.75, 1},\n\
     float[2,3] m = {1, -1, 0.5, 2, 0.25, -0.75}>\n\
    {\n\
      [first] a = Conv (x, w, b)\n r = Relu (a)\n p = MaxPool <kernel_shape = [2, 2]> (r)\n\
      [second] c = Conv (p, u)\n [sum] q = Add (c, p)\n s = Relu (q)\n [gelu] e = Erf (s)\n\
      [mean] g = GlobalAveragePool (e)\n f = Flatten (g)\n [head] y = MatMul (f, m)\n\
    }";

fn table() -> onnxpress::target::Quantized {
    onnxpress::target::Target::named("ort-cpu").unwrap().quantized.unwrap()
}

#[test]
fn products_are_whole_and_what_lies_between_where_all_operands_are() {
    let model = model(RESIDUAL);
    let choices = choose(&model.graph, &table(), &Default::default()).unwrap();
    let said: Vec<(String, String)> = choices
        .iter()
        .map(|c| {
            let role = match &c.role {
                Role::Product { result, .. } => {
                    let name = result.map(|v| model.graph.value(v).name().to_string());
                    format!("product -> {}", name.unwrap_or_else(|| "float".into()))
                }
                Role::Between { result } => format!("between -> {}", model.graph.value(*result).name()),
                Role::Float(why) => (*why).to_owned(),
                other => format!("{other:?}").to_lowercase(),
            };
            (model.graph.node(c.node).op().name.to_owned(), role)
        })
        .collect();
    let said: Vec<(&str, &str)> = said.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(
        said,
        [
            ("Conv", "product -> r"),
            ("Relu", "clamp"),
            ("MaxPool", "moved"),
            ("Conv", "product -> c"),
            ("Add", "between -> s"),
            ("Relu", "clamp"),
            ("Erf", "the target computes this operator in floats"),
            ("GlobalAveragePool", "an operand is a float"),
            ("Flatten", "an operand is a float"),
            ("MatMul", "product -> float"),
        ]
    );
}

#[test]
fn onnx_runtime_runs_what_is_planned_in_whole_numbers() {
    let mut quantized = model(RESIDUAL);
    let choices = choose(&quantized.graph, &table(), &Default::default()).unwrap();
    let least = |v| if ["r", "s"].contains(&&**quantized.graph.value(v).name()) { 0.0 } else { -6.0 };
    let wanted = wanted(&quantized.graph, &choices);
    let ranges = wanted.into_iter().map(|v| (v, (least(v), 6.0))).collect();
    let places = plan(&quantized.graph, &choices, &table(), &ranges, Grid::SIGNED).unwrap();
    place(&mut quantized.graph, &places);
    let x: Vec<f32> = (0..32).map(|i| ((i * 29) % 31) as f32 / 15.0 - 1.0).collect();
    let x = Tensor::from_slice(&[1, 2, 4, 4], &x).unwrap();
    let (want, got) = (run(&model(RESIDUAL), &[("x", x.clone())]), run(&quantized, &[("x", x)]));
    for (want, got) in want.iter().zip(&got) {
        assert!((want - got).abs() < 0.15, "{want:?} {got:?}");
    }

    let optimized = optimized(&quantized);
    let count = |op: &str| optimized.iter().filter(|o| *o == op).count();
    let counts = ["QLinearConv", "QLinearAdd", "MatMulIntegerToFloat", "Conv", "Relu"].map(count);
    assert_eq!(counts, [2, 1, 1, 0, 0]);
}

fn tensorrt() -> onnxpress::target::Quantized {
    onnxpress::target::Target::named("tensorrt-rtx").unwrap().quantized.unwrap()
}

fn roles(model: &Model, table: &onnxpress::target::Quantized) -> Vec<String> {
    let choices = choose(&model.graph, table, &Default::default()).unwrap();
    let role = |role: &Role| match role {
        Role::Product { result, .. } => {
            format!("product{}", if result.is_some() { " and result" } else { "" })
        }
        Role::Skip { at } => format!("skip {at}"),
        Role::Float(why) => (*why).to_owned(),
        other => format!("{other:?}").to_lowercase(),
    };
    choices.iter().map(|c| format!("{}: {}", model.graph.node(c.node).op().name, role(&c.role))).collect()
}

#[test]
fn for_tensorrt_products_and_skips_are_whole_and_the_rest_floats() {
    let float = "the target computes this operator in floats";
    assert_eq!(
        roles(&model(RESIDUAL), &tensorrt()),
        [
            "Conv: product",
            &format!("Relu: {float}"),
            &format!("MaxPool: {float}"),
            "Conv: product",
            "Add: skip 1",
            &format!("Relu: {float}"),
            &format!("Erf: {float}"),
            &format!("GlobalAveragePool: {float}"),
            &format!("Flatten: {float}"),
            "MatMul: product",
        ]
    );
    let upsampled = "<ir_version: 8, opset_import: [\"\" : 13]>\n\
        g (float[1,2,4,4] x) => (float[1,2,8,8] y)\n\
        <float[2,2,2,2] w = {1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}>\n\
        { y = ConvTranspose <strides = [2, 2]> (x, w) }";
    assert_eq!(roles(&model(upsampled), &tensorrt()), [format!("ConvTranspose: {float}")]);
    let scaled = "<ir_version: 8, opset_import: [\"\" : 13]>\n\
        g (float[1,2] x) => (float[1,2] y)\n\
        <float[2,2] w = {1, 2, 3, 4}, float[1,2] b = {1, 2}>\n\
        { y = Gemm <beta = 0.5> (x, w, b) }";
    assert_eq!(roles(&model(scaled), &tensorrt()), ["Gemm: product"]);
    assert_eq!(roles(&model(scaled), &table()), ["Gemm: the bias is no number for each channel, or scaled"]);
}

#[test]
fn what_is_quantized_already_stays_as_it_is() {
    let trained = model(
        "<ir_version: 8, opset_import: [\"\" : 13]>\n\
         g (float[1,2,4,4] x) => (float[1,2,4,4] y)\n\
         <int8[2,2,1,1] w = {1, -5, 25, 2}, float[2] s = {0.1, 0.2}, int8[2] z = {0, 0},\n\
          float t = {0.1}, int8 o = {0}>\n\
         { q = QuantizeLinear (x, t, o)\n d = DequantizeLinear (q, t, o)\n v = DequantizeLinear <axis = 0> (w, s, z)\n\
           c = Conv (d, v)\n e = QuantizeLinear (c, t, o)\n f = DequantizeLinear (e, t, o)\n y = Add (f, d) }",
    );
    for table in [table(), tensorrt()] {
        let choices = choose(&trained.graph, &table, &Default::default()).unwrap();
        let whole: Vec<&Choice> = choices.iter().filter(|c| !c.role.is_float()).collect();
        assert!(whole.is_empty(), "{whole:?}");
    }
}

#[test]
fn what_holds_infinities_or_no_numbers_is_named() {
    let mut model = model(
        "<ir_version: 8, opset_import: [\"\" : 13]>\nf (int64[2] i) => (float[2,2] y)\n\
         <float[3,2] t = {1, 2, 3, 4, 5, 6}, float[2,2] w = {1, 2, 3, 4}>\n\
         { g = Gather (t, i)\n y = MatMul (g, w) }",
    );
    for (op, at, number) in [("Gather", 0, f32::NEG_INFINITY), ("MatMul", 1, f32::NAN)] {
        let node = only(&model, op);
        let old = constant(&model, node, at);
        let mut numbers = old.to_vec::<f32>().unwrap();
        numbers[1] = number;
        let name = model.graph.fresh_name("broken");
        let new = Tensor::from_slice(old.shape(), &numbers).unwrap();
        let new = model.graph.add_initializer(onnxpress::ir::RegionId::ROOT, name, new);
        model.graph.set_operand(node, at, Some(new));
    }
    let choices = choose(&model.graph, &table(), &Default::default()).unwrap();
    let broken: Vec<NodeId> = choices.iter().map(|c| c.node).collect();
    assert!(broken.len() == 2 && choices.iter().all(|c| !c.role.is_float()), "{choices:?}");
    assert_eq!(not_finite(&model.graph, &choices), broken);
}
