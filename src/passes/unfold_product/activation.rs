//! The activation behind a product or a convolution, if there is one.

use crate::ir::Attr;
use crate::passes::unfold::Formula;
use crate::rewrite::{Miss, Ref};

/// Activations, and the attributes that their parameters are.
const ACTIVATIONS: [(&str, &[&str]); 10] = [
    ("Elu", &["alpha"]),
    ("HardSigmoid", &["alpha", "beta"]),
    ("LeakyRelu", &["alpha"]),
    ("Relu", &[]),
    ("Selu", &["alpha", "gamma"]),
    ("Sigmoid", &[]),
    ("Softplus", &[]),
    ("Softsign", &[]),
    ("Tanh", &[]),
    ("ThresholdedRelu", &["alpha"]),
];

/// With parameters in attributes of their own, for `alpha`, `beta` and `gamma`.
pub(super) fn named(f: &mut Formula<'_>, x: Ref, names: [&'static str; 3]) -> Result<Ref, Miss> {
    let Some(name) = name(f)? else { return Ok(x) };
    let (name, formals) = of_name(f, name)?;
    let y = f.op(name, [x]);
    for &formal in formals {
        let at = ["alpha", "beta", "gamma"].iter().position(|n| *n == formal);
        if let Some(Attr::Float(value)) = at.and_then(|at| f.given(names[at])) {
            f.attr(formal, *value);
        }
    }
    Ok(y)
}

/// With a list of parameters.
pub(super) fn listed(f: &mut Formula<'_>, x: Ref) -> Result<Ref, Miss> {
    let Some(name) = name(f)? else { return Ok(x) };
    let values = match f.given("activation_params") {
        None => &[][..],
        Some(Attr::Floats(values)) => values,
        Some(_) => return Err(f.miss("the parameters of the activation are no numbers")),
    };
    if let ("Clip", &[low, high]) = (&*name, values) {
        return Ok(clip(f, x, [low, high]));
    }
    let (name, formals) = of_name(f, name)?;
    if formals.len() != values.len() {
        return Err(f.miss("the activation has other parameters than its operator"));
    }
    let y = f.op(name, [x]);
    formals.iter().zip(values).for_each(|(formal, value)| f.attr(formal, *value));
    Ok(y)
}

fn name(f: &mut Formula<'_>) -> Result<Option<String>, Miss> {
    match f.given("activation") {
        None => Ok(None),
        Some(Attr::String(name)) => {
            Ok(Some(String::from_utf8_lossy(name).into_owned()).filter(|n| !n.is_empty()))
        }
        Some(_) => Err(f.miss("the activation is no name")),
    }
}

fn of_name(f: &Formula<'_>, name: String) -> Result<(&'static str, &'static [&'static str]), Miss> {
    let known = ACTIVATIONS.into_iter().find(|(known, _)| *known == name);
    known.ok_or_else(|| f.miss("the activation is none of those that have an operator"))
}

/// Bounds are operands since opset 11.
fn clip(f: &mut Formula<'_>, x: Ref, [low, high]: [f32; 2]) -> Ref {
    if f.cx.opset() >= 11 {
        let [low, high] = [low, high].map(|bound| f.number(bound.into()));
        return f.op("Clip", [x, low, high]);
    }
    let y = f.op("Clip", [x]);
    f.attr("min", low);
    f.attr("max", high);
    y
}
