//! How an engine is built of a model whose inputs have dynamic sizes.

use crate::ir::{Def, Dim, Model, Value};
use crate::report::ParityReport;
use crate::target::Target;
use std::collections::BTreeMap;
use std::path::Path;

/// The command that builds it, with a profile of the sizes on which the model was proved; `None` where the target has no
/// compiler, or no input a dynamic size.
pub(super) fn command(
    model: &Model,
    output: &Path,
    target: &Target,
    parity: &ParityReport,
) -> Option<String> {
    let program = &target.compiler.as_ref()?.program;
    let graph = &model.graph;
    let inputs = graph.root().inputs().iter().map(|&v| graph.value(v));
    let dynamic: Vec<&str> = inputs.filter(|value| is_dynamic(value)).map(|value| &**value.name()).collect();
    if dynamic.is_empty() || parity.feed_shapes.is_empty() {
        return None;
    }
    let output = quoted(&output.display().to_string());
    Some(format!("{program} --onnx={output} {}", flags(&dynamic, &parity.feed_shapes)))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    if is_plain(word) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

fn is_plain(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
}

fn is_dynamic(value: &Value) -> bool {
    let given = !matches!(value.def(), Def::Input { default: Some(_), .. });
    let symbolic = |dims: &[Dim]| dims.iter().any(|d| d.as_fixed().is_none());
    given && value.tensor_type().and_then(|t| t.shape.as_deref()).is_some_and(symbolic)
}

/// Which of the sorted sizes of a dim, by their number.
type Rank = fn(usize) -> usize;

/// The smallest, middle and largest size of each dim.
fn flags(inputs: &[&str], cases: &[BTreeMap<String, Vec<usize>>]) -> String {
    let flag = |which: &str, rank: Rank| {
        let shapes: Vec<String> = inputs.iter().filter_map(|name| shape(name, cases, rank)).collect();
        format!("--{which}Shapes={}", shapes.join(","))
    };
    [flag("min", |_| 0), flag("opt", |count| count / 2), flag("max", |count| count - 1)].join(" ")
}

fn shape(name: &str, cases: &[BTreeMap<String, Vec<usize>>], rank: Rank) -> Option<String> {
    let shapes: Vec<&Vec<usize>> = cases.iter().filter_map(|case| case.get(name)).collect();
    let dims = (0..shapes.first()?.len()).map(|axis| {
        let mut sizes: Vec<usize> = shapes.iter().filter_map(|shape| shape.get(axis).copied()).collect();
        sizes.sort_unstable();
        sizes[rank(sizes.len())].to_string()
    });
    // What trtexec would split at stands between quotes, which the shell must not take away.
    let name = if is_plain(name) { name.to_owned() } else { format!(r"\'{name}\'") };
    Some(format!("{name}:{}", dims.collect::<Vec<_>>().join("x")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_to_a_shell() {
        assert_eq!(["a/b-1.onnx", "a b", "it's"].map(quoted), ["a/b-1.onnx", "'a b'", r"'it'\''s'"]);
    }

    #[test]
    fn each_dim_goes_from_its_smallest_to_its_largest_size() {
        let case = |batch, length| {
            BTreeMap::from([("ids".to_owned(), vec![batch, length]), ("x:0".to_owned(), vec![batch])])
        };
        let cases = [case(2, 7), case(1, 16), case(3, 9)];
        let want =
            r"--minShapes=ids:1x7,\'x:0\':1 --optShapes=ids:2x9,\'x:0\':2 --maxShapes=ids:3x16,\'x:0\':3";
        assert_eq!(flags(&["ids", "x:0"], &cases), want);
    }
}
