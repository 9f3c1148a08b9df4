//! The bytes are a program that builds a small typed graph; optimized at the highest level that keeps its class, it
//! answers as before on tract.
#![no_main]

use libfuzzer_sys::fuzz_target;
use onnxpress::diag::Diags;
use onnxpress::io::to_bytes;
use onnxpress::ir::{Attr, Dim, Model, NewNode, NewOutput, OpId, RegionId, Type, ValueId};
use onnxpress::pipeline::{Means, Options, Silent, run};
use onnxpress::runtime::{RunValue, Runtime, SessionOptions, Source, TractRuntime};
use onnxpress::target::Target;
use onnxpress::tensor::{DType, Tensor};
use onnxpress::validate::compare;

const SHAPE: [usize; 2] = [2, 3];
const UNARY: [&str; 10] =
    ["Relu", "Neg", "Abs", "Sigmoid", "Tanh", "Identity", "Erf", "Exp", "Floor", "Softplus"];
const BINARY: [&str; 6] = ["Add", "Sub", "Mul", "Div", "Max", "Min"];
const NUMBERS: [f32; 8] = [0.0, 1.0, 0.5, -1.0, 2.0, std::f32::consts::SQRT_2, 1e-5, 0.044715];

struct Builder<'b> {
    model: Model,
    values: Vec<ValueId>,
    bytes: std::slice::Iter<'b, u8>,
}

impl Builder<'_> {
    fn byte(&mut self) -> Option<usize> {
        self.bytes.next().map(|&b| usize::from(b))
    }

    fn pick(&mut self) -> Option<ValueId> {
        let byte = self.byte()?;
        Some(self.values[byte % self.values.len()])
    }

    fn node(&mut self, op: &'static str, inputs: Vec<ValueId>, attrs: Vec<(&str, Attr)>) -> ValueId {
        let name = format!("n{}", self.values.len());
        let inputs = inputs.into_iter().map(Some).collect();
        let mut node = NewNode::new(OpId::onnx(op), inputs, vec![NewOutput::named(&*name)]);
        for (key, value) in attrs {
            node = node.attr(key, value);
        }
        let id = self.model.graph.add_node(RegionId::ROOT, node);
        self.model.graph.node(id).outputs()[0]
    }

    fn constant(&mut self, tensor: Tensor) -> ValueId {
        let name = format!("c{}", self.model.graph.value_bound());
        self.model.graph.add_initializer(RegionId::ROOT, name, tensor)
    }

    /// One step of the program: a value of shape `SHAPE` from earlier ones.
    fn step(&mut self) -> Option<ValueId> {
        let kind = self.byte()?;
        Some(match kind % 9 {
            0 | 1 => {
                let op = UNARY[self.byte()? % UNARY.len()];
                let x = self.pick()?;
                self.node(op, vec![x], vec![])
            }
            2 | 3 => {
                let op = BINARY[self.byte()? % BINARY.len()];
                let (a, b) = (self.pick()?, self.pick()?);
                self.node(op, vec![a, b], vec![])
            }
            4 => {
                let op = BINARY[self.byte()? % BINARY.len()];
                let (x, number, rank) = (self.pick()?, self.byte()?, self.byte()? % 3);
                let shape = vec![1; rank];
                let number = Tensor::from_slice(&shape, &[NUMBERS[number % NUMBERS.len()]]).ok()?;
                let c = self.constant(number);
                self.node(op, if kind > 127 { vec![c, x] } else { vec![x, c] }, vec![])
            }
            5 => {
                let x = self.pick()?;
                let t = self.node("Transpose", vec![x], vec![("perm", Attr::Ints(vec![1, 0]))]);
                self.values.push(t);
                let back = self.node("Transpose", vec![t], vec![("perm", Attr::Ints(vec![1, 0]))]);
                self.values.retain(|v| *v != t);
                back
            }
            6 => {
                let x = self.pick()?;
                let target = self.constant(Tensor::vector(&[2i64, -1]));
                self.node("Reshape", vec![x, target], vec![])
            }
            7 => {
                let x = self.pick()?;
                let mean = self.node("ReduceMean", vec![x], vec![("axes", Attr::Ints(vec![-1]))]);
                self.node("Sub", vec![x, mean], vec![])
            }
            _ => {
                let (a, b) = (self.pick()?, self.pick()?);
                let joined = self.node("Concat", vec![a, b], vec![("axis", Attr::Int(0))]);
                let (from, to) =
                    (self.constant(Tensor::vector(&[0i64])), self.constant(Tensor::vector(&[2i64])));
                self.node("Slice", vec![joined, from, to], vec![])
            }
        })
    }
}

fn build(data: &[u8]) -> Option<Model> {
    let mut model = Model::new(17);
    let ty = Type::tensor(DType::F32, SHAPE.map(|d| Dim::Fixed(d as u64)).to_vec());
    let x = model.graph.add_input(RegionId::ROOT, "x", Some(ty.clone()));
    let mut b = Builder { model, values: vec![x], bytes: data.iter() };
    while b.values.len() < 24 {
        let Some(value) = b.step() else { break };
        b.values.push(value);
    }
    let last = *b.values.last()?;
    if last == x {
        return None;
    }
    b.model.graph.set_declared(last, Some(ty));
    b.model.graph.add_output(RegionId::ROOT, last);
    Some(b.model)
}

fn answer(model: &Model, x: &RunValue) -> Option<RunValue> {
    let output = model.graph.root().outputs().next()?;
    let output = model.graph.value(output).name().to_string();
    let source = Source::bytes(to_bytes(model).expect("a small model can be written"));
    let mut session = TractRuntime::new().session(&source, &SessionOptions::default()).ok()?;
    session.run(&[("x", x)], &[&output]).ok()?.pop()
}

/// Whether all that the model computes is finite: tract's `Min`, `Max` and `Clip` do not hand on what is no number.
fn stays_finite(model: &Model, x: &RunValue) -> Option<bool> {
    let mut probe = model.clone();
    let values: Vec<ValueId> = probe.graph.nodes().map(|(_, n)| n.outputs()[0]).collect();
    let ty = Type::unranked(DType::F32);
    for value in values.into_iter().filter(|v| !model.graph.is_graph_output(*v)) {
        probe.graph.set_declared(value, Some(ty.clone()));
        probe.graph.add_output(RegionId::ROOT, value);
    }
    let names: Vec<String> =
        probe.graph.root().outputs().map(|v| probe.graph.value(v).name().to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let source = Source::bytes(to_bytes(&probe).expect("a small model can be written"));
    let mut session = TractRuntime::new().session(&source, &SessionOptions::default()).ok()?;
    let finite = |value: &RunValue| match value {
        RunValue::Tensor(t) => t.to_f64s().is_some_and(|all| all.iter().all(|x| x.is_finite())),
        _ => false,
    };
    Some(session.run(&[("x", x)], &names).ok()?.iter().all(finite))
}

fuzz_target!(|data: &[u8]| {
    let Some(original) = build(data) else { return };
    let mut optimized = original.clone();
    let options = Options::new(Target::named("onnx").expect("it is built in"));
    let means = Means { runtime: None, growth_budget: 65536 };
    let outcome = run(&mut optimized, &options, means, &mut Diags::new(), &mut Silent)
        .expect("a valid model is optimized");
    let values = [-1.5f32, 0.25, 3.0, -0.0, 0.75, 1.25];
    let x = RunValue::Tensor(Tensor::from_slice(&SHAPE, &values).expect("six numbers"));
    let Some(before) = answer(&original, &x) else { return };
    if stays_finite(&original, &x) != Some(true) {
        return;
    }
    let after = answer(&optimized, &x).expect("tract runs the original, so it runs the result");
    let metrics = compare(&before, &after).expect("type and shape stay");
    let tolerance = outcome.exactness.tolerance(DType::F32);
    // Cancellation in the program magnifies what a reassociation may round differently.
    let finite = metrics.reference_max.is_finite() && metrics.reference_max < 1e3;
    assert!(
        !finite || metrics.max_abs <= 64.0 * (tolerance.abs + tolerance.rel * metrics.reference_max),
        "{metrics:?} by {:?}",
        outcome.passes.iter().filter(|p| p.stats.applied > 0).map(|p| p.id).collect::<Vec<_>>()
    );
});
