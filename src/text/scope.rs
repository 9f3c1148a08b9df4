//! Names to values while a graph is read. Nodes may stand in any order and bodies read what is defined later outside,
//! so readings are noted and resolved when the whole graph is there.

use super::lexer::Lexer;
use crate::error::Result;
use crate::ir::{Graph, NodeId, RegionId, Type, ValueId};
use rustc_hash::FxHashMap;

/// A graph in the making.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) graph: Graph,
    defined: FxHashMap<(RegionId, String), ValueId>,
    readings: Vec<Reading>,
}

/// A name that is to become a value.
struct Reading {
    at: usize,
    region: RegionId,
    name: String,
    role: Role,
}

/// What a name that stands somewhere is there for.
pub(super) enum Role {
    /// It is an operand of the node.
    Operand(NodeId, usize),
    /// The region returns it, and the text may declare its type.
    Output(Option<Type>),
    /// The text declares its type.
    Info(Type),
}

impl Draft {
    /// Gives a value its name in a region.
    pub(super) fn define(
        &mut self,
        lexer: &Lexer<'_>,
        at: usize,
        region: RegionId,
        name: &str,
        value: ValueId,
    ) -> Result<()> {
        if name.is_empty() || self.defined.insert((region, name.to_owned()), value).is_none() {
            return Ok(());
        }
        Err(lexer.error_at(at, format!("'{name}' is defined twice")))
    }

    /// Notes that a name is read in a region.
    pub(super) fn read(&mut self, at: usize, region: RegionId, name: String, role: Role) {
        self.readings.push(Reading { at, region, name, role });
    }

    /// The finished graph.
    ///
    /// # Errors
    /// A name stands for nothing that is visible where it is read.
    pub(super) fn finish(mut self, lexer: &Lexer<'_>) -> Result<Graph> {
        for reading in std::mem::take(&mut self.readings) {
            let Some(value) = self.lookup(&reading) else {
                return Err(lexer.error_at(reading.at, format!("nothing here is named '{}'", reading.name)));
            };
            let home = self.graph.region_of(value);
            match reading.role {
                Role::Operand(node, index) => self.graph.set_operand(node, index, Some(value)),
                Role::Output(ty) => {
                    self.graph.add_output(reading.region, value);
                    if ty.is_some() && home == Some(reading.region) {
                        self.graph.set_declared(value, ty);
                    }
                }
                Role::Info(ty) if home == Some(reading.region) => self.graph.set_declared(value, Some(ty)),
                Role::Info(_) => {}
            }
        }
        Ok(self.graph)
    }

    fn lookup(&self, reading: &Reading) -> Option<ValueId> {
        let mut regions = self.graph.enclosing(reading.region);
        regions.find_map(|region| self.defined.get(&(region, reading.name.clone()))).copied()
    }
}
