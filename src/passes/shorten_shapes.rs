//! `shorten-shapes`: shapes that must be computed are computed with the fewest nodes.
//!
//! ```text
//! Concat(Unsqueeze(Gather(Shape(y), 0)), Unsqueeze(Gather(Shape(y), 1)), [-1], [64])
//!   ->  Concat(Shape<start=0, end=2>(x), [-1, 64])             where x and y are of one shape
//! Unsqueeze(Gather(Shape(x), 2))   ->   Shape<start=2, end=3>(x)         from opset 15 on
//! Concat(Gather(Shape(x), [1]), Gather(Shape(x), [0]))   ->   Gather(Shape(x), [1,0])
//! ```
//!
//! Exact. What a node needs of shape arithmetic is known element by element from shape inference, and is put together
//! anew: runs of dims of a graph input, or of a value whose shape it was made of before; numbers; and elements that are
//! computed already. An element that a Reshape copies, or that an Expand keeps, may be either. Shapes that share nodes are
//! decided together: those are built anew for which all in all the fewest nodes stay.
//!
//! Refused: shapes of which an element is not known; shapes that a graph or a body returns; functions, whose shapes
//! differ from call to call.

mod build;
mod needs;
mod plan;

use crate::error::Result;
use crate::ir::{Model, OpId, RegionId};
use crate::rewrite::{Context, Exactness, Meta, Pass, PassContext, PassStats, Work};

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct ShortenShapes;

/// What the registry runs.
pub fn pass() -> Work {
    Work::whole(ShortenShapes)
}

const META: Meta = Meta {
    id: "shorten-shapes",
    summary: "shapes that must be computed are computed with the fewest nodes",
    exactness: Exactness::Exact,
    since_opset: 1,
    emits: &[
        OpId::onnx("Shape"),
        OpId::onnx("Gather"),
        OpId::onnx("Concat"),
        OpId::onnx("Unsqueeze"),
        OpId::onnx("Reshape"),
    ],
};

impl Pass for ShortenShapes {
    fn meta(&self) -> &Meta {
        &META
    }

    fn run(&self, model: &mut Model, cx: &mut PassContext<'_>) -> Result<PassStats> {
        let mut stats = PassStats::default();
        let regions: Vec<RegionId> = model.graph.region_ids().collect();
        for region in regions {
            if model.graph.get_region(region).is_none() {
                continue;
            }
            let view =
                Context { graph: &model.graph, opsets: &model.opsets, facts: cx.facts, in_function: false };
            let needs = needs::of_region(&view, region)?;
            if needs.is_empty() {
                continue;
            }
            for mut group in plan::groups(&view, region, needs) {
                // What went with another group needs nothing.
                group.retain(|need| need.stands(&model.graph));
                if cx.changes_left == 0 {
                    return Ok(stats);
                }
                let view = Context {
                    graph: &model.graph,
                    opsets: &model.opsets,
                    facts: cx.facts,
                    in_function: false,
                };
                let plan = plan::Plan::best(&view, region, &group);
                if plan.gain(&model.graph, &group) > 0 {
                    build::commit(model, cx, region, &group, &plan);
                    stats.applied += plan.pieces.iter().flatten().count();
                    cx.changes_left -= 1;
                }
            }
        }
        Ok(stats)
    }
}
