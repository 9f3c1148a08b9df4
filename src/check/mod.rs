//! What a target will do with a model that anyone made: which nodes it refuses, runs elsewhere or in another type.
//!
//! Asks the target's table node by node, with inferred types; bodies and functions included. What is not known of a
//! node counts in its favor, so that nothing is named that may be fine.
//!
//! | file | idea |
//! |---|---|
//! | `constants` | what is known when the model is built |
//! | `qdq` | demands of quantized nodes |
//! | `widened` | constants that the target holds in another type |

mod constants;
mod qdq;
mod widened;

use crate::analysis::{Env, Facts};
use crate::diag::Diags;
use crate::ir::{Graph, Model, NodeId, OpId, Opsets};
use crate::report::Finding;
use crate::target::{Answer, Asked, Target, Verdict};
use rustc_hash::FxHashSet;

fn of_node(graph: &Graph, node: NodeId, answer: Answer) -> Finding {
    let Answer { verdict, reason, fix, source } = answer;
    let (label, op) = (graph.label(node), graph.node(node).op().to_string());
    Finding { node: Some(label), op: Some(op), verdict, reason, fix, source }
}

fn of_model(target: &Target, reason: String, fix: &str) -> Finding {
    let (verdict, source) = (Verdict::Refused, target.source.clone());
    Finding { node: None, op: None, verdict, reason, fix: Some(fix.to_owned()), source }
}

/// Everything in a model that a target does not take as it is, in the order of the model.
pub fn check(model: &Model, target: &Target) -> Vec<Finding> {
    let mut model = model.clone();
    let mut findings = border(&model, target);
    let mut facts = Facts::new();
    if target.widens_bytes {
        let opsets = model.opsets.clone();
        let takes = |op: OpId| target.takes(op, opsets.get(op.domain).unwrap_or(1));
        widened::widen(&mut model.graph, &takes);
    }
    facts.infer_model(&mut model, &mut Diags::new());
    if target.widens_bytes {
        findings.extend(widened::mistyped(&model.graph).map(|output| {
            let name = model.graph.value(output).name();
            let reason =
                format!("the result {name} of uint8 follows from constants, which it holds as int32");
            of_model(target, reason, "cast it to a type that it takes")
        }));
    }
    let local = model.functions.iter().map(|f| (f.domain.clone(), f.name.clone())).collect();
    let scope = Scope { target, local: &local };
    scope.graph(&model.graph, &facts, &model.opsets, &mut findings);
    let functions = model.functions.clone();
    for function in &mut model.functions {
        let env = Env { opsets: &function.opsets, functions: &functions };
        facts.infer_graph(&mut function.graph, &env);
        scope.graph(&function.graph, &facts, &function.opsets, &mut findings);
    }
    findings
}

/// Versions of the file as a whole.
fn border(model: &Model, target: &Target) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (opset, ir) = (model.opset(), model.ir_version);
    if opset > target.opset.max && !target.takes_newer {
        let reason =
            format!("the model has opset {opset}; {} takes {} at most", target.name(), target.opset.max);
        findings.push(of_model(target, reason, "export it at a lower opset"));
    }
    if opset < target.opset.min {
        let reason =
            format!("the model has opset {opset}; {} takes {} at least", target.name(), target.opset.min);
        findings.push(of_model(target, reason, "`onnxpress optimize --opset` raises the opset"));
    }
    if ir > target.ir.max && !target.takes_newer {
        let reason =
            format!("the model has IR version {ir}; {} takes {} at most", target.name(), target.ir.max);
        findings.push(of_model(
            target,
            reason,
            "write it with a lower ir_version: an opset needs no newer one than its release",
        ));
    }
    findings
}

struct Scope<'a> {
    target: &'a Target,
    /// Domain and name of the model's functions, which are replaced by their bodies.
    local: &'a FxHashSet<(String, String)>,
}

impl Scope<'_> {
    fn graph(&self, graph: &Graph, facts: &Facts, opsets: &Opsets, findings: &mut Vec<Finding>) {
        let constants = constants::constants(graph);
        let known = |v| constants.contains(&v) || graph.is_const(v) || facts.constant_elements(v).is_some();
        let mut nodes: Vec<(u64, NodeId)> = graph.nodes().map(|(id, n)| (n.order(), id)).collect();
        nodes.sort();
        for (_, node) in nodes {
            let op = graph.node(node).op();
            if self.local.contains(&(op.domain.to_owned(), op.name.to_owned())) {
                continue;
            }
            let asked = Asked::new(graph, node, opsets);
            let answer = self.target.answer(&asked).map(|a| self.with_fix(&asked, a));
            let refused = answer.as_ref().is_some_and(|a| a.verdict == Verdict::Refused);
            findings.extend(answer.map(|a| of_node(graph, node, a)));
            if refused {
                continue;
            }
            let demands = self.target.unmet(&asked, &known);
            let quantized = qdq::answers(self.target, &asked);
            findings.extend(demands.into_iter().chain(quantized).map(|a| of_node(graph, node, a)));
        }
    }

    /// An op that is in no list of ONNX's is someone's own, and may be registered.
    fn with_fix(&self, asked: &Asked<'_>, answer: Answer) -> Answer {
        let unknown = asked.schema.is_none() && answer.verdict == Verdict::Refused;
        let fix = answer.fix.or_else(|| self.target.custom_ops.clone().filter(|_| unknown));
        Answer { fix, ..answer }
    }
}
