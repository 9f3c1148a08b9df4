//! What is measured over samples: what rounding shifts, and what each product loses.

use super::{model, optimized, run};
use crate::fixtures::onnx_runtime;
use onnxpress::data::Source;
use onnxpress::ir::Model;
use onnxpress::quantize::{
    Choice, Correction, Effect, Grid, Place, choose, corrected, corrections, effects, orders, place, plan,
    sensitivities, wanted,
};
use onnxpress::recipe::DataSpec;
use onnxpress::target::{Quantized, Target};
use onnxpress::tensor::Tensor;
use std::path::Path;

const SAMPLES: usize = 5;
const ROWS: usize = 40;

/// A product and its sum, behind a `Relu`; weights halfway between whole numbers, so that rounding has a side.
const PRODUCT: &str = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
    g (float[n,4] x) => (float[n,3] y)\n\
    <float[4,3] w = {127, 127, 127, 0.55, 1.55, -3.45, 10.55, 20.55, 30.55, -0.45, 0.55, 2.55}, float[3] b = {1, -2, 3}>\n\
    { r = Relu (x)\n [product] p = MatMul (r, w)\n [sum] y = Add (p, b) }";

/// The same with a convolution of two groups without a bias.
const CONVOLUTION: &str = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
    g (float[n,4] x) => (float[n,4] y)\n\
    <float[4,2,1,1] w = {127, 0.55, 0.55, -127, 127, -3.45, 2.55, 127}, int64[4] s = {-1, 4, 1, 1}, int64[2] f = {-1, 4}>\n\
    { r = Relu (x)\n i = Reshape (r, s)\n [product] c = Conv <group = 2> (i, w)\n y = Reshape (c, f) }";

fn rows(at: usize) -> Vec<f32> {
    let mut state = 7 + at as u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..4 * ROWS).map(|_| next() * 3.0).collect()
}

fn samples() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for at in 0..SAMPLES {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({ROWS}, 4), }}");
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend((header.len() as u16).to_le_bytes());
        out.extend(header.bytes());
        rows(at).iter().for_each(|x| out.extend(x.to_le_bytes()));
        std::fs::write(folder.path().join(format!("s{at}.npy")), out).unwrap();
    }
    folder
}

fn open(folder: &Path, model: &Model) -> Source {
    Source::open(folder, model, &DataSpec::default()).unwrap()
}

fn table() -> Quantized {
    Target::named("tensorrt").unwrap().quantized.unwrap()
}

fn places(model: &Model) -> Vec<Place> {
    let choices: Vec<Choice> = choose(&model.graph, &table(), &Default::default()).unwrap();
    let ranges = wanted(&model.graph, &choices).into_iter().map(|v| (v, (-127.0, 127.0))).collect();
    plan(&model.graph, &choices, &table(), &ranges, Grid::SIGNED).unwrap()
}

/// The mean of the error of each column, over all samples.
fn shifts(text: &str, columns: usize, with: &[Correction]) -> Vec<f64> {
    let float = model(text);
    let mut quantized = corrected(&float, with);
    let places = places(&quantized);
    place(&mut quantized.graph, &places);
    let mut sums = vec![0f64; columns];
    for at in 0..SAMPLES {
        let x = || [("x", Tensor::from_slice(&[ROWS, 4], &rows(at)).unwrap())];
        let (want, got) = (run(&float, &x()), run(&quantized, &x()));
        for (i, (want, got)) in want.iter().zip(got).enumerate() {
            sums[i % columns] += f64::from(got - want);
        }
    }
    sums.iter().map(|sum| sum / (SAMPLES * ROWS) as f64).collect()
}

#[test]
fn corrected_biases_leave_no_mean_of_the_error() {
    let folder = samples();
    for (text, columns) in [(PRODUCT, 3), (CONVOLUTION, 4)] {
        let float = model(text);
        let found = corrections(
            &float,
            &places(&float),
            &open(folder.path(), &float),
            SAMPLES,
            onnx_runtime(),
            &mut |_| {},
        )
        .unwrap();
        assert_eq!((found.len(), found[0].shift.len()), (1, columns));
        let before = shifts(text, columns, &[]).into_iter().fold(0f64, |most, s| most.max(s.abs()));
        assert!(before > 0.05, "{before}");
        for shift in shifts(text, columns, &found) {
            assert!(shift.abs() < 1e-3, "{shift} of {before}");
        }
    }
}

/// The squared error behind the function that reads the convolution, over all samples.
fn lost(text: &str, with: &[Correction]) -> f64 {
    let float = model(text);
    let mut quantized = corrected(&float, with);
    let places = places(&quantized);
    place(&mut quantized.graph, &places);
    let one = |at: usize| {
        let x = || [("x", Tensor::from_slice(&[ROWS, 4], &rows(at)).unwrap())];
        let both = run(&float, &x()).into_iter().zip(run(&quantized, &x()));
        both.map(|(want, got)| f64::from(got - want).powi(2)).sum::<f64>()
    };
    (0..SAMPLES).map(one).sum()
}

/// Most of a channel is far below zero, where its error is largest: no shift helps what is above.
#[test]
fn what_a_function_hides_does_not_count() {
    let hidden = CONVOLUTION
        .replace("r = Relu (x)", "r = Neg (x)")
        .replace("127, 0.55, 0.55, -127, 127, -3.45, 2.55, 127", "127, 9.5, 9.5, -127, 127, -3.5, 2.5, 127");
    for function in ["Relu (c)", "LeakyRelu <alpha = 0.001> (c)", "Clip (c, zero)"] {
        let text = hidden.replace("y = Reshape (c, f)", &format!("a = {function}\n y = Reshape (a, f)"));
        let text = text.replace("int64[2] f", "float zero = {0}, int64[2] f");
        let folder = samples();
        let float = model(&text);
        let source = open(folder.path(), &float);
        let found =
            corrections(&float, &places(&float), &source, SAMPLES, onnx_runtime(), &mut |_| {}).unwrap();
        let (without, with) = (lost(&text, &[]), lost(&text, &found));
        assert!(with < 0.999 * without, "{function}: {with} {without}");
        // Shifted by the mean of all elements, hidden or not.
        let plain = model(&hidden);
        let source = open(folder.path(), &plain);
        let all =
            corrections(&plain, &places(&plain), &source, SAMPLES, onnx_runtime(), &mut |_| {}).unwrap();
        let by_all = [Correction { node: found[0].node, shift: all[0].shift.clone() }];
        assert!(with < 0.999 * lost(&text, &by_all), "{function}");
        assert_ne!(found[0].shift, all[0].shift);
    }
}

/// As many rows as a rounded value has elements that are not zero: a copy would have others.
#[test]
fn what_has_the_size_that_data_say_is_left_alone() {
    let text = CONVOLUTION.replace("=> (float[n,4] y)", "=> (float[n,4] y, float[m,2] z)").replace(
        "y = Reshape (c, f)",
        "y = Reshape (c, f)\n a = Relu (c)\n k = NonZero (a)\n t = Transpose <perm = [1, 0]> (k)\n e = Cast <to = 1> (t)\n\
         [later] z = Gemm (e, g, h)",
    );
    let text = text
        .replace("int64[2] f", "float[4,2] g = {1, 2, 3, 4, 5, 6, 7, 8}, float[2] h = {1, 2}, int64[2] f");
    let float = model(&text);
    let table = Target::named("ort-cpu").unwrap().quantized.unwrap();
    let choices = choose(&float.graph, &table, &Default::default()).unwrap();
    let ranges = wanted(&float.graph, &choices).into_iter().map(|v| (v, (-300.0, 300.0))).collect();
    let places = plan(&float.graph, &choices, &table, &ranges, Grid::SIGNED).unwrap();
    let folder = samples();
    let source = open(folder.path(), &float);
    let found = corrections(&float, &places, &source, SAMPLES, onnx_runtime(), &mut |_| {}).unwrap();
    assert_eq!(found.len(), 2);
}

#[test]
fn a_product_without_a_bias_that_others_read_too_is_left() {
    let folder = samples();
    let float = model(&PRODUCT.replace("=> (float[n,3] y)", "=> (float[n,3] y, float[n,3] p)"));
    let source = open(folder.path(), &float);
    let found = corrections(&float, &places(&float), &source, SAMPLES, onnx_runtime(), &mut |_| {}).unwrap();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn products_are_ranked_by_what_they_lose() {
    let text = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
        g (float[n,4] x) => (float[n,2] y, float[n,2] z)\n\
        <float[4,2] w = {1, -1, 0.5, 2, 0.25, -0.75, 3, 1}, float[4] k = {0.01, 0.01, 0.01, 0.01}>\n\
        { [good] y = MatMul (x, w)\n s = Mul (x, k)\n [bad] z = MatMul (s, w) }";
    let float = model(text);
    let choices = choose(&float.graph, &table(), &Default::default()).unwrap();
    // The second value is as far as 0.03, and covered as if it were as far as 3.
    let ranges = wanted(&float.graph, &choices).into_iter().map(|v| (v, (-3.0, 3.0))).collect();
    let places = plan(&float.graph, &choices, &table(), &ranges, Grid::SIGNED).unwrap();
    let folder = samples();
    let source = open(folder.path(), &float);
    let ranked = sensitivities(&float, &places, &source, SAMPLES, onnx_runtime(), &mut |_| {}).unwrap();
    let names: Vec<String> = ranked.iter().map(|s| float.graph.label(s.node)).collect();
    assert_eq!(names, ["bad", "good"]);
    assert!(ranked[0].sqnr_db < 15.0 && ranked[1].sqnr_db > 35.0, "{ranked:?}");

    // What is told of the one is what its model loses.
    let mut alone = float.clone();
    place(&mut alone.graph, &places);
    assert!(!optimized(&alone).is_empty());
    let want = -10.0 * loss(&float, &places, &["good"]).log10();
    assert!((ranked[1].sqnr_db - want).abs() < 0.2, "{} {want}", ranked[1].sqnr_db);
}

/// Power of the error of what a model gives with some of the places in whole numbers, by that of the first output.
fn loss(float: &Model, places: &[Place], names: &[&str]) -> f64 {
    let mut quantized = float.clone();
    let some = places.iter().filter(|p| names.contains(&&*float.graph.label(p.node))).cloned();
    place(&mut quantized.graph, &some.collect::<Vec<_>>());
    let (mut signal, mut error) = (0f64, 0f64);
    for at in 0..SAMPLES {
        let x = || [("x", Tensor::from_slice(&[ROWS, 4], &rows(at)).unwrap())];
        for (a, b) in run(float, &x()).iter().zip(run(&quantized, &x())) {
            signal += f64::from(*a).powi(2);
            error += f64::from(a - b).powi(2);
        }
    }
    error / signal
}

fn effects_of(float: &Model, places: &[Place]) -> Vec<Effect> {
    let folder = samples();
    let source = open(folder.path(), float);
    let mut told = Vec::new();
    let mut tell = |run, of| told.push((run, of));
    let found = effects(float, places, (&source, SAMPLES), onnx_runtime(), &mut tell).unwrap();
    let runs = SAMPLES * found.len();
    assert_eq!(told, (0..runs).map(|run| (run, runs)).collect::<Vec<_>>());
    found
}

#[test]
fn nodes_are_ordered_by_what_they_cost_the_outputs() {
    let text = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
        g (float[n,4] x) => (float[n,2] y)\n\
        <float[4,2] w = {1, -1, 0.5, 2, 0.25, -0.75, 3, 1}, float[4,2] v = {1, -1, 0.5, 2, 0.25, -0.75, 3, 2},\n\
         float[4] k = {0.001, 0.001, 0.001, 0.001}, float[2,2] u = {1, 0.3, -0.2, 0.7}>\n\
        { s = Mul (x, k)\n [small] c = MatMul (s, w)\n [large] d = MatMul (x, v)\n e = Exp (c)\n f = Tanh (d)\n\
          g = Add (e, f)\n [last] y = MatMul (g, u) }";
    let float = model(text);
    let choices = choose(&float.graph, &table(), &Default::default()).unwrap();
    let ranges = wanted(&float.graph, &choices).into_iter().map(|v| (v, (-12.0, 12.0))).collect();
    let places = plan(&float.graph, &choices, &table(), &ranges, Grid::SIGNED).unwrap();
    let found = effects_of(&float, &places);
    let named = |name: &str| found.iter().find(|e| float.graph.label(e.node) == name).unwrap();
    for name in ["small", "large", "last"] {
        let (error, want) = (named(name).error, loss(&float, &places, &[name]));
        assert!((error / want - 1.0).abs() < 0.02, "{name}: {error} {want}");
    }
    assert!(named("large").error > 4.0 * named("small").error && named("last").error > named("small").error);
    // Four products an element for two, and four numbers more that are stored.
    let work = |name| named(name).work;
    assert_eq!((work("small") - work("last"), work("large")), ((2 * 2 * ROWS + 4) as f64, work("small")));

    let orders: Vec<Vec<String>> = orders(&float, &found)
        .unwrap()
        .into_iter()
        .map(|order| order.into_iter().map(|node| float.graph.label(node)).collect())
        .collect();
    let [by_error, by_work, forward] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!(by_error.last().unwrap(), "small");
    assert_eq!(by_work.last().unwrap(), "small");
    assert_eq!(forward, &["small", "large", "last"]);
}

/// Of whole numbers the share that differs counts.
#[test]
fn what_labels_lose_is_the_share_that_differs() {
    let text = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
        g (float[n,4] x) => (int64[n] y)\n\
        <float[4,3] w = {1, -1, 0.5, 2, 0.25, -0.75, 3, 1, 2, -2, 0.5, 1}>\n\
        { [product] p = MatMul (x, w)\n y = ArgMax <axis = 1, keepdims = 0> (p) }";
    let float = model(text);
    let choices = choose(&float.graph, &table(), &Default::default()).unwrap();
    let ranges = wanted(&float.graph, &choices).into_iter().map(|v| (v, (-90.0, 90.0))).collect();
    let places = plan(&float.graph, &choices, &table(), &ranges, Grid::SIGNED).unwrap();
    let found = effects_of(&float, &places);
    assert!(found.len() == 1 && found[0].error > 0.05 && found[0].error < 1.0, "{found:?}");
    assert!(effects_of(&float, &[]).is_empty());
}

#[test]
fn nodes_that_nothing_came_through_go_back_last() {
    let float =
        model(&PRODUCT.replace("[sum] y = Add (p, b)", "[sum] y = Add (p, b)\n [second] z = MatMul (r, w)"));
    let node = |name: &str| float.graph.nodes().find(|(id, _)| float.graph.label(*id) == name).unwrap().0;
    let effect = |name, error, work| Effect { node: node(name), error, work };
    for found in [
        vec![effect("sum", 0.0, 0.0), effect("product", 0.1, 9.0), effect("second", f64::INFINITY, 5.0)],
        vec![effect("second", f64::INFINITY, 5.0), effect("product", 0.1, 9.0), effect("sum", 0.0, 0.0)],
    ] {
        let orders = orders(&float, &found).unwrap();
        let want = ["second", "product", "sum"].map(node);
        assert_eq!((&orders[0][..], &orders[1][..]), (&want[..], &want[..]));
    }
}

/// Of two tables with the same rows, one is looked up where a column has an outlier.
#[test]
fn tables_are_ranked_by_the_rows_that_are_looked_up() {
    let text = "<ir_version: 8, opset_import: [\"\" : 17]>\n\
        g (float[n,4] x) => (float[n,4,2] y, float[n,4,2] z, float[n,2] p)\n\
        <float[3,2] t = {0.3, 0.7, 0.6, -0.2, 100, 100}, float[3,2] u = {0.3, 0.7, 0.6, -0.2, 1, 1},\n\
         float one = {1}, float[4,2] w = {1, -1, 0.5, 2, 0.25, -0.75, 3, 1}>\n\
        { c = Clip (x, , one)\n a = Relu (c)\n i = Cast <to = 7> (a)\n\
          [coarse] y = Gather (t, i)\n [fine] z = Gather (u, i)\n [product] p = MatMul (x, w) }";
    let float = model(text);
    let table = Target::named("ort-cpu").unwrap().quantized.unwrap();
    let choices = choose(&float.graph, &table, &Default::default()).unwrap();
    let ranges = wanted(&float.graph, &choices).into_iter().map(|v| (v, (-3.0, 3.0))).collect();
    let places = plan(&float.graph, &choices, &table, &ranges, Grid::SIGNED).unwrap();
    let folder = samples();
    let source = open(folder.path(), &float);
    let ranked = sensitivities(&float, &places, &source, SAMPLES, onnx_runtime(), &mut |_| {}).unwrap();
    let names: Vec<String> = ranked.iter().map(|s| float.graph.label(s.node)).collect();
    assert_eq!((&*names[0], names.len()), ("coarse", 3));
    let of = |name: &str| ranked[names.iter().position(|n| n == name).unwrap()].sqnr_db;
    assert!(of("coarse") < 15.0 && of("fine") > 40.0, "{ranked:?}");
    // Where each of them alone is in whole numbers, the output that reads it says so.
    let found = effects_of(&float, &places);
    let named = |name: &str| found.iter().find(|e| float.graph.label(e.node) == name).unwrap();
    let want = loss(&float, &places, &["coarse"]);
    assert!((named("coarse").error / want - 1.0).abs() < 0.02, "{} {want}", named("coarse").error);
    assert!(named("fine").error < 1e-4, "{}", named("fine").error);
}
