//! S5: inputs and outputs of the graph keep name, order and type.

use crate::ir::{Model, Name, Type, ValueId};

/// What callers of a model rely on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Signature {
    inputs: Vec<(Name, Option<Type>)>,
    outputs: Vec<(Name, Option<Type>)>,
}

impl Signature {
    pub(super) fn of(model: &Model) -> Self {
        let root = model.graph.root();
        let named = |v: ValueId| {
            let value = model.graph.value(v);
            (value.name().clone(), value.declared().cloned())
        };
        Self {
            inputs: root.inputs().iter().copied().map(named).collect(),
            outputs: root.outputs().map(named).collect(),
        }
    }

    /// What is different in the model now, in words.
    pub(super) fn difference(&self, model: &Model) -> Option<String> {
        let now = Self::of(model);
        let sides = [("inputs", &self.inputs, &now.inputs), ("outputs", &self.outputs, &now.outputs)];
        sides.into_iter().find(|(_, was, is)| was != is).map(|(what, was, is)| {
            let changed =
                was.iter().zip(is).find(|(a, b)| a != b).map(|(a, _)| format!(": '{}' changed", a.0));
            format!("the graph's {what} are not what they were{}", changed.unwrap_or_default())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::RegionId;
    use crate::tensor::DType;

    #[test]
    fn a_renamed_output_is_seen() {
        let mut model = Model::new(17);
        let x = model.graph.add_input(RegionId::ROOT, "x", Some(Type::tensor(DType::F32, vec![2.into()])));
        model.graph.add_output(RegionId::ROOT, x);
        let signature = Signature::of(&model);
        assert_eq!(signature.difference(&model), None);
        model.graph.rename(x, "y");
        assert!(signature.difference(&model).is_some_and(|d| d.contains("inputs") && d.contains("'x'")));
    }
}
