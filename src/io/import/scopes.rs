//! Names and what they stand for, region by region; reads are resolved once every name is known.
//!
//! So nodes may stand before what they read, and a body's own value hides an outer one wherever it is defined.

use std::mem;

use rustc_hash::FxHashMap;

use super::region::Returns;
use super::{Building, Importer};
use crate::error::{Error, Result};
use crate::ir::{Name, NodeId, ValueId};

/// Index of a scope.
pub(super) type ScopeId = usize;

#[derive(Debug, Default)]
struct Scope {
    parent: Option<ScopeId>,
    names: FxHashMap<Name, ValueId>,
}

/// An operand to be connected.
#[derive(Debug)]
struct Read {
    scope: ScopeId,
    node: NodeId,
    index: usize,
    name: Name,
}

/// The scopes of one graph, and what is to be connected.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    scopes: Vec<Scope>,
    reads: Vec<Read>,
    pub(super) returns: Vec<Returns>,
}

impl Scopes {
    pub(super) fn open(&mut self, parent: Option<ScopeId>) -> ScopeId {
        self.scopes.push(Scope { parent, ..Scope::default() });
        self.scopes.len() - 1
    }

    /// The value of a name in one region only.
    pub(super) fn own(&self, scope: ScopeId, name: &str) -> Option<ValueId> {
        self.scopes[scope].names.get(name).copied()
    }

    /// Gives a name to a value; gives back whether it was free.
    pub(super) fn define(&mut self, scope: ScopeId, name: Name, value: ValueId) -> bool {
        self.scopes[scope].names.insert(name, value).is_none()
    }

    pub(super) fn read(&mut self, scope: ScopeId, node: NodeId, index: usize, name: Name) {
        self.reads.push(Read { scope, node, index, name });
    }

    /// The value of a name, as seen from a region.
    pub(super) fn find(&self, scope: ScopeId, name: &str) -> Option<ValueId> {
        let mut enclosing = std::iter::successors(Some(scope), |&s| self.scopes[s].parent);
        enclosing.find_map(|s| self.own(s, name))
    }
}

impl Importer {
    /// Connects every operand and every region output.
    pub(super) fn connect(&mut self, building: &mut Building) -> Result<()> {
        for Read { scope, node, index, name } in mem::take(&mut building.scopes.reads) {
            let value = building.scopes.find(scope, &name).ok_or_else(|| {
                Error::new(format!(
                    "input '{name}' is defined nowhere: no node, initializer or graph input has this name"
                ))
                .at(building.graph.label(node))
                .with_help("the model is incomplete; export it again")
            })?;
            building.graph.set_operand(node, index, Some(value));
        }
        for returns in mem::take(&mut building.scopes.returns) {
            self.complete_region(building, returns)?;
        }
        Ok(())
    }
}
