//! The name under which a value stands in a text: its own, unless that would be read as another value's.
//!
//! All but omitted outputs need a name, and no name may be used again in its region or in a body inside it.

use crate::ir::{Def, Graph, Name, RegionId, ValueId};
use rustc_hash::{FxHashMap, FxHashSet};

/// Names that differ from the values' own.
pub(super) struct Names<'g> {
    graph: &'g Graph,
    given: FxHashMap<ValueId, Name>,
}

impl<'g> Names<'g> {
    /// Finds clashes in `root` and all bodies inside.
    pub(super) fn of(graph: &'g Graph, root: RegionId) -> Self {
        let mut names = Self { graph, given: FxHashMap::default() };
        let mut fresh = Fresh { taken: FxHashSet::default(), next: 0 };
        let mut pending = vec![(root, Visible::default())];
        while let Some((region, outer)) = pending.pop() {
            let inner = names.region(region, outer, &mut fresh);
            let bodies: Vec<RegionId> = graph.nodes_in(region).flat_map(|(_, n)| n.regions()).collect();
            let shared = std::rc::Rc::new(inner);
            pending.extend(bodies.into_iter().rev().map(|body| (body, Visible::inside(&shared))));
        }
        names
    }

    /// The name of a value in the text.
    pub(super) fn get(&self, value: ValueId) -> &str {
        self.given.get(&value).unwrap_or_else(|| self.graph.value(value).name())
    }

    fn region(&mut self, region: RegionId, mut visible: Visible, fresh: &mut Fresh) -> Visible {
        let mut done = FxHashSet::default();
        for value in defined(self.graph, region).into_iter().filter(|&v| done.insert(v)) {
            let own = self.graph.value(value).name();
            if is_omitted(self.graph, value) {
                continue;
            }
            if !own.is_empty() && visible.insert(own) {
                continue;
            }
            let name = fresh.name(self.graph, own);
            visible.insert(&name);
            self.given.insert(value, name);
        }
        visible
    }
}

/// Whether a value is an output that its node leaves out.
fn is_omitted(graph: &Graph, value: ValueId) -> bool {
    let value = graph.value(value);
    value.name().is_empty() && value.uses().is_empty() && matches!(value.def(), Def::Output { .. })
}

/// The values of one region, each once or more: inputs and outputs first, which so keep their names.
fn defined(graph: &Graph, region: RegionId) -> Vec<ValueId> {
    let mut values = graph.region(region).inputs().to_vec();
    values.extend(graph.region(region).outputs().filter(|&v| graph.region_of(v) == Some(region)));
    values.extend(graph.initializers(region));
    let mut nodes: Vec<_> = graph.nodes_in(region).collect();
    nodes.sort_unstable_by_key(|(id, node)| (node.order(), *id));
    values.extend(nodes.iter().flat_map(|(_, node)| node.outputs()));
    values
}

/// The names of a region and of those around it.
#[derive(Default)]
struct Visible {
    here: FxHashSet<Name>,
    outer: Option<std::rc::Rc<Visible>>,
}

impl Visible {
    fn inside(outer: &std::rc::Rc<Visible>) -> Self {
        Self { here: FxHashSet::default(), outer: Some(outer.clone()) }
    }

    fn contains(&self, name: &str) -> bool {
        std::iter::successors(Some(self), |v| v.outer.as_deref()).any(|v| v.here.contains(name))
    }

    /// Whether the name was free.
    fn insert(&mut self, name: &Name) -> bool {
        !self.contains(name) && self.here.insert(name.clone())
    }
}

/// Gives out names that no value of the graph has.
struct Fresh {
    taken: FxHashSet<Name>,
    next: u64,
}

impl Fresh {
    fn name(&mut self, graph: &Graph, own: &str) -> Name {
        let base = if own.is_empty() { "value" } else { own };
        loop {
            self.next += 1;
            let name: Name = format!("{base}_{}", self.next).into();
            if graph.fresh_name(&name) == name && self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}
