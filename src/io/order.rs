//! The nodes of every region in the order in which they are written.

use rustc_hash::FxHashMap;

use crate::error::Result;
use crate::ir::{Graph, NodeId, RegionId, topological};

/// Nodes by region, each behind what it reads.
pub(crate) struct Order {
    regions: FxHashMap<RegionId, Vec<NodeId>>,
    /// Whether some node had to be moved behind one that it reads.
    pub(crate) reordered: bool,
}

impl Order {
    /// # Errors
    /// A cycle, named by one node on it.
    pub(crate) fn of(graph: &Graph) -> Result<Self> {
        let mut order = Self { regions: FxHashMap::default(), reordered: false };
        for region in graph.region_ids() {
            let nodes = topological(graph, region)?;
            order.reordered |= !nodes.is_sorted_by_key(|&n| (graph.node(n).order(), n));
            order.regions.insert(region, nodes);
        }
        Ok(order)
    }

    /// The nodes of one region.
    pub(crate) fn nodes(&self, region: RegionId) -> &[NodeId] {
        self.regions.get(&region).map_or(&[], Vec::as_slice)
    }
}
