//! The name under which each value is written.
//!
//! Names are unique among the values visible at one place: a value of a body that would hide an outer one, and a second
//! value of a name in one graph, get a number behind their name. Graph inputs and outputs come first and so keep theirs.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::io::order::Order;
use crate::ir::{Graph, Name, RegionId, ValueId};

/// The written names of a graph's values.
pub(super) struct Names {
    of: Vec<Name>,
    /// Values whose written name is not their own.
    pub(super) renamed: usize,
}

impl Names {
    pub(super) fn of(graph: &Graph, order: &Order) -> Self {
        let all = graph.value_ids().map(|v| graph.value(v).name().clone()).collect();
        let mut naming = Naming {
            graph,
            order,
            of: vec![None; graph.value_bound()],
            all,
            visible: FxHashSet::default(),
            next: FxHashMap::default(),
            renamed: 0,
        };
        naming.region(RegionId::ROOT);
        let of = naming.of.into_iter().map(Option::unwrap_or_default).collect();
        Self { of, renamed: naming.renamed }
    }

    pub(super) fn get(&self, value: ValueId) -> &Name {
        &self.of[value.index()]
    }
}

struct Naming<'g> {
    graph: &'g Graph,
    order: &'g Order,
    of: Vec<Option<Name>>,
    all: FxHashSet<Name>,
    visible: FxHashSet<Name>,
    next: FxHashMap<Name, usize>,
    renamed: usize,
}

impl Naming<'_> {
    fn region(&mut self, id: RegionId) {
        let region = self.graph.region(id);
        let mut own: Vec<ValueId> = region.inputs().to_vec();
        own.extend(region.outputs().filter(|&v| self.graph.region_of(v) == Some(id)));
        own.extend(self.graph.initializers(id));
        for &node in self.order.nodes(id) {
            own.extend(self.graph.node(node).outputs());
        }
        let mut opened = Vec::new();
        for value in own {
            if self.of[value.index()].is_none() {
                opened.extend(self.name(value));
            }
        }
        for &node in self.order.nodes(id) {
            for body in self.graph.node(node).regions() {
                self.region(body);
            }
        }
        for name in opened {
            self.visible.remove(&name);
        }
    }

    /// Names one value; gives back the name, unless it is an omitted output.
    fn name(&mut self, id: ValueId) -> Option<Name> {
        let value = self.graph.value(id);
        let mut name = value.name().clone();
        let omitted = name.is_empty() && value.uses().is_empty();
        if omitted {
            return None;
        }
        if name.is_empty() || self.visible.contains(&name) {
            name = self.fresh(if name.is_empty() { "value".into() } else { name });
            self.renamed += 1;
        }
        self.visible.insert(name.clone());
        self.of[id.index()] = Some(name.clone());
        Some(name)
    }

    fn fresh(&mut self, base: Name) -> Name {
        let next = self.next.entry(base.clone()).or_insert(1);
        loop {
            let name: Name = format!("{base}_{next}").into();
            *next += 1;
            if self.all.insert(name.clone()) {
                return name;
            }
        }
    }
}
