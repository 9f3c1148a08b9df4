//! Sizes that the user fixes before anything else is done: `--shape` and `--dim`.

use crate::error::{Error, Result};
use crate::ir::{Dim, DimExpr, Model, TensorType, Type, ValueId};
use std::collections::BTreeMap;

/// Sizes by name. The same name twice is the last one's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Dims of graph inputs; `None` leaves one as it is.
    pub shapes: BTreeMap<String, Vec<Option<u64>>>,
    /// Sizes of symbolic dims.
    pub dims: BTreeMap<String, u64>,
}

impl Sizes {
    /// Whether nothing is fixed.
    pub fn is_empty(&self) -> bool {
        self.shapes.is_empty() && self.dims.is_empty()
    }

    /// Puts the sizes in place of symbolic dims, wherever the model declares them.
    ///
    /// # Errors
    /// A name is of no input or dim, a rank is another, or sizes contradict each other or the model.
    pub fn fix(&self, model: &mut Model) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let mut bound = Bound::default();
        for (name, &size) in &self.dims {
            self.known(model, name)?;
            bound.bind(name, size, &format!("--dim {name}={size}"))?;
        }
        let mut ranks = Vec::new();
        for (name, sizes) in &self.shapes {
            let input = input(model, name)?;
            bound.shape(model, input, name, sizes)?;
            ranks.push((input, sizes));
        }
        for (input, sizes) in ranks {
            give_rank(model, input, sizes);
        }
        bound.substitute(model)
    }

    fn known(&self, model: &Model, name: &str) -> Result<()> {
        let names = symbols(model);
        if names.iter().any(|n| n == name) {
            return Ok(());
        }
        let help = if names.is_empty() {
            "no input has a symbolic dim; --shape NAME=SIZES fixes an input's dims".to_owned()
        } else {
            format!("the inputs' symbolic dims are {}", names.join(", "))
        };
        Err(Error::new(format!("no input has a dim '{name}' to fix")).with_help(help))
    }
}

/// The symbols of the inputs, in order, each once.
fn symbols(model: &Model) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for &input in model.graph.root().inputs() {
        for dim in model.graph.shape(input).unwrap_or_default() {
            if let Dim::Sym(expr) = dim
                && let Some(name) = expr.as_symbol().filter(|_| !dim.is_nameless())
                && !names.iter().any(|n| n == name)
            {
                names.push(name.to_owned());
            }
        }
    }
    names
}

fn input(model: &Model, name: &str) -> Result<ValueId> {
    let inputs = model.graph.root().inputs();
    let found = inputs.iter().copied().find(|&v| &**model.graph.value(v).name() == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = inputs.iter().map(|&v| &**model.graph.value(v).name()).collect();
        Error::new(format!("there is no input '{name}' to give a shape"))
            .with_help(format!("the inputs are {}", names.join(", ")))
    })
}

/// An input without a shape gets the one that is asked for.
fn give_rank(model: &mut Model, input: ValueId, sizes: &[Option<u64>]) {
    let graph = &mut model.graph;
    let Some(Type::Tensor(TensorType { dtype, shape: None })) = graph.value(input).ty().cloned() else {
        return;
    };
    let name = graph.value(input).name().clone();
    let dims: Vec<Dim> = (0..sizes.len())
        .map(|axis| sizes[axis].map_or_else(|| Dim::symbol(&format!("?{name}_{axis}")), Dim::Fixed))
        .collect();
    let ty = Type::tensor(dtype, dims);
    graph.set_declared(input, Some(ty.clone()));
    graph.set_type(input, Some(ty));
}

/// Symbols and what they are fixed to, with the words that did it.
#[derive(Default)]
struct Bound(BTreeMap<String, (u64, String)>);

impl Bound {
    fn bind(&mut self, symbol: &str, size: u64, by: &str) -> Result<()> {
        if i64::try_from(size).is_err() {
            return Err(Error::new(format!("{by} is larger than a dim can be")));
        }
        match self.0.get(symbol) {
            Some((other, before)) if *other != size => {
                let message = format!("{by} contradicts {before}: both are the dim '{symbol}'");
                Err(Error::new(message).with_help("dims of one name are of one size"))
            }
            Some(_) => Ok(()),
            None => {
                self.0.insert(symbol.to_owned(), (size, by.to_owned()));
                Ok(())
            }
        }
    }

    fn shape(&mut self, model: &Model, input: ValueId, name: &str, sizes: &[Option<u64>]) -> Result<()> {
        let ty = model.graph.value(input).ty();
        let Some(tensor) = ty.and_then(Type::as_tensor) else {
            return Err(Error::new(format!("the input '{name}' is no tensor and has no shape")));
        };
        let Some(shape) = &tensor.shape else { return Ok(()) };
        let contradicts = |what: String| {
            Error::new(format!("--shape {name} {what}"))
                .with_help(format!("the model declares '{name}' as {tensor}; ? leaves a dim as it is"))
        };
        if shape.len() != sizes.len() {
            return Err(contradicts(format!("has {} dims instead of {}", sizes.len(), shape.len())));
        }
        for (axis, (dim, size)) in shape.iter().zip(sizes).enumerate() {
            let Some(size) = *size else { continue };
            match dim {
                Dim::Fixed(declared) if *declared != size => {
                    return Err(contradicts(format!("makes dim {axis} {size} instead of {declared}")));
                }
                Dim::Fixed(_) => {}
                Dim::Sym(expr) => match expr.as_symbol() {
                    Some(symbol) => {
                        self.bind(symbol, size, &format!("--shape {name}, dim {axis} = {size},"))?
                    }
                    None => return Err(contradicts(format!("cannot fix dim {axis}"))),
                },
            }
        }
        Ok(())
    }

    fn substitute(&self, model: &mut Model) -> Result<()> {
        let graph = &mut model.graph;
        for value in graph.value_ids() {
            let (declared, ty) = (graph.value(value).declared().cloned(), graph.value(value).ty().cloned());
            if let Some(new) = declared.as_ref().and_then(|ty| self.fixed(ty)) {
                graph.set_declared(value, Some(new));
            }
            if let Some(new) = ty.as_ref().and_then(|ty| self.fixed(ty)) {
                graph.set_type(value, Some(new));
            }
        }
        Ok(())
    }

    /// The type with the sizes in it; `None` where it stays.
    fn fixed(&self, ty: &Type) -> Option<Type> {
        Some(match ty {
            Type::Tensor(t) => Type::Tensor(self.tensor(t)?),
            Type::SparseTensor(t) => Type::SparseTensor(self.tensor(t)?),
            Type::Sequence(t) => Type::Sequence(Box::new(self.fixed(t)?)),
            Type::Optional(t) => Type::Optional(Box::new(self.fixed(t)?)),
            Type::Map(key, t) => Type::Map(*key, Box::new(self.fixed(t)?)),
            Type::Opaque { .. } => return None,
        })
    }

    fn tensor(&self, tensor: &TensorType) -> Option<TensorType> {
        let shape = tensor.shape.as_ref()?;
        let new: Vec<Dim> = shape.iter().map(|d| self.dim(d).unwrap_or_else(|| d.clone())).collect();
        (new != *shape).then_some(TensorType { dtype: tensor.dtype, shape: Some(new) })
    }

    fn dim(&self, dim: &Dim) -> Option<Dim> {
        let Dim::Sym(expr) = dim else { return None };
        let size =
            |name: &str| self.0.get(name).and_then(|(n, _)| i64::try_from(*n).ok()).map(DimExpr::constant);
        Dim::from_expr(expr.substitute(&size)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::text::parse_model;

    fn model() -> Model {
        parse_model(
            "<ir_version: 8, opset_import: [\"\" : 17]>
             g (float[N,3,H] x, float[N] z, float w) => (float[N,3,H] y) { y = Relu (x) }",
        )
        .unwrap()
    }

    fn shape(sizes: &[Option<u64>]) -> Sizes {
        Sizes { shapes: BTreeMap::from([("x".to_owned(), sizes.to_vec())]), ..Sizes::default() }
    }

    fn dim(name: &str, size: u64) -> Sizes {
        Sizes { dims: BTreeMap::from([(name.to_owned(), size)]), ..Sizes::default() }
    }

    fn types(model: &Model) -> Vec<String> {
        let root = model.graph.root();
        let all = root.inputs().iter().copied().chain(root.outputs());
        all.map(|v| model.graph.value(v).declared().unwrap().to_string()).collect()
    }

    #[test]
    fn a_size_holds_wherever_its_name_stands() {
        let mut m = model();
        shape(&[Some(2), Some(3), None]).fix(&mut m).unwrap();
        assert_eq!(types(&m), ["float[2,3,H]", "float[2]", "float[]", "float[2,3,H]"]);
        dim("H", 8).fix(&mut m).unwrap();
        assert_eq!(types(&m)[0], "float[2,3,8]");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |sizes: Sizes| sizes.fix(&mut model()).unwrap_err().to_string();
        assert_eq!(refused(dim("M", 1)), "no input has a dim 'M' to fix");
        assert_eq!(refused(shape(&[Some(2)])), "--shape x has 1 dims instead of 3");
        assert_eq!(refused(shape(&[None, Some(4), None])), "--shape x makes dim 1 4 instead of 3");
        let both = Sizes { dims: BTreeMap::from([("N".to_owned(), 1)]), ..shape(&[Some(2), None, None]) };
        assert!(refused(both).contains("contradicts --dim N=1"));
        let other = Sizes { shapes: BTreeMap::from([("q".to_owned(), vec![])]), ..Sizes::default() };
        assert_eq!(refused(other), "there is no input 'q' to give a shape");
    }
}
