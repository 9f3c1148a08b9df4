//! The asked names as values of the main graph.

use super::floats::{is_observed, refused};
use super::requests::Requests;
use crate::error::{Error, Result};
use crate::ir::{Def, Model, RegionId, ValueId};
use rustc_hash::FxHashMap;

/// A value that is observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Watched {
    /// As it is asked for.
    pub(super) name: String,
    /// As the model has it.
    pub(super) own_name: String,
    pub(super) value: ValueId,
    /// Whether the sample itself holds it.
    pub(super) is_input: bool,
}

/// Finds the values.
///
/// # Errors
/// A name is of no value, of a constant, of a value inside a body, or of one known to be of a type that is not observed.
pub(super) fn watched(model: &Model, requests: &Requests) -> Result<Vec<Watched>> {
    let names = by_name(model);
    let one = |name: &str| {
        let value = *names.get(name).ok_or_else(|| {
            Error::new("the model has no value of this name")
                .with_help("names are those of the model that is run")
        })?;
        refuse(model, value)?;
        let is_input = matches!(model.graph.value(value).def(), Def::Input { .. });
        let own_name = model.graph.value(value).name().to_string();
        Ok(Watched { name: name.to_owned(), own_name, value, is_input })
    };
    requests.iter().map(|(name, _)| one(name).map_err(|e: Error| e.at(name))).collect()
}

/// Values by name; those of the main graph go before those inside bodies, and their names before what they were once
/// called.
fn by_name(model: &Model) -> FxHashMap<&str, ValueId> {
    let graph = &model.graph;
    let mut names: FxHashMap<&str, ValueId> = FxHashMap::default();
    for value in graph.value_ids() {
        let name: &str = graph.value(value).name();
        if name.is_empty() || matches!(graph.value(value).def(), Def::Dead) {
            continue;
        }
        if graph.region_of(value) == Some(RegionId::ROOT) {
            names.insert(name, value);
        } else {
            names.entry(name).or_insert(value);
        }
    }
    for value in graph.value_ids().filter(|&value| graph.region_of(value) == Some(RegionId::ROOT)) {
        if !matches!(graph.value(value).def(), Def::Dead) {
            graph.value(value).origins().iter().for_each(|name| _ = names.entry(name).or_insert(value));
        }
    }
    names
}

fn refuse(model: &Model, value: ValueId) -> Result<()> {
    let graph = &model.graph;
    if graph.region_of(value) != Some(RegionId::ROOT) {
        return Err(Error::new("the value is inside the body of an If, Loop or Scan, and is not observed")
            .with_help("ask for values of the main graph only"));
    }
    if graph.is_const(value) {
        return Err(Error::new("the value is a constant, and needs no samples"));
    }
    let declared = || Some(graph.value(value).declared()?.as_tensor()?.dtype);
    match graph.dtype(value).or_else(declared) {
        Some(dtype) if !is_observed(dtype) => Err(refused(dtype)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::requests::Want;
    use super::*;
    use crate::text::parse_model;

    const TEXT: &str = "<ir_version: 8, opset_import: [\"\" : 17]>
        g (float[2] x, bool b, int64[2] n) => (float[2] y) <float[2] w = {1, 2}> {
            a = Add (x, w) c = Constant <value = float[1] {3}> () m = Neg (n)
            i = If <then_branch = t () => (float[2] s) { s = Neg (a) },
                    else_branch = e () => (float[2] r) { r = Abs (a) }> (b)
            y = Mul (i, c) }";

    fn ask(name: &str) -> Result<Vec<Watched>> {
        let mut requests = Requests::new();
        requests.add(name, Want::Range);
        watched(&parse_model(TEXT).unwrap(), &requests)
    }

    #[test]
    fn inputs_and_inner_values_and_outputs_are_watched() {
        for (name, is_input) in [("x", true), ("a", false), ("i", false), ("y", false)] {
            let found = ask(name).unwrap();
            assert_eq!((found[0].name.as_str(), found[0].is_input), (name, is_input));
        }
    }

    #[test]
    fn what_cannot_be_watched_is_named() {
        let cases =
            [("nowhere", "no value"), ("w", "constant"), ("c", "constant"), ("s", "body"), ("n", "int64")];
        for (name, words) in cases {
            let error = ask(name).unwrap_err();
            assert_eq!(error.node(), Some(name));
            assert!(error.message().contains(words), "{error}");
        }
    }
}
