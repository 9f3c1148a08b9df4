//! `gather-scales`: rows that are picked from a dequantized table are scaled after they are picked.
//!
//! ```text
//! Gather(DequantizeLinear<axis = 0>(q, s), i)   ->   Gather(DequantizeLinear(q, 1), i) * Gather(s, i)
//! ```
//!
//! Exact. `q` is a constant with a scale for each row. TensorRT lets nothing but a `DequantizeLinear` read bytes, and makes
//! a layer of its own of each table that is scaled row by row; what is picked first is scaled where it is used. MiniLM with
//! weights of INT8 has two such tables, and 79 layers of an engine instead of 81.
//!
//! ONNX Runtime dequantizes the whole table in either form, so there it runs by name only.
//!
//! Refused: a table that anything but a `Gather` of rows reads, zero points other than zero, a scale that is computed,
//! numbers of more than 8 bits.

use crate::ir::{NodeId, OpId, Use, ValueId};
use crate::require;
use crate::rewrite::{Context, Exactness, Meta, Miss, Patch, Ref, Rule, Work};
use crate::tensor::Tensor;

/// Numbers of so many bits are themselves in every type that there is to dequantize to.
const EXACT_BITS: usize = 8;

/// See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct GatherScales;

/// What the registry runs.
pub fn pass() -> Work {
    Work::rule(GatherScales)
}

const DEQUANTIZE: OpId = OpId::onnx("DequantizeLinear");
const GATHER: OpId = OpId::onnx("Gather");
const MUL: OpId = OpId::onnx("Mul");

const META: Meta = Meta {
    id: "gather-scales",
    summary: "rows that are picked from a dequantized table are scaled after they are picked",
    exactness: Exactness::Exact,
    since_opset: 13,
    emits: &[DEQUANTIZE, GATHER, MUL],
};

impl Rule for GatherScales {
    fn meta(&self) -> &Meta {
        &META
    }

    fn ops(&self) -> &[OpId] {
        &[GATHER]
    }

    fn visit(&self, cx: &Context<'_>, node: NodeId) -> Result<Patch, Miss> {
        let (Some(rows), Some(index)) = (cx.node(node).input(0), cx.node(node).input(1)) else {
            return Err(Miss::Silent);
        };
        let table = cx.graph.producer_is(rows, "DequantizeLinear").ok_or(Miss::Silent)?;
        let table = Table::read(cx, table)?;
        require!(
            cx.graph.value(rows).uses().iter().all(|u| picks_rows(cx, u)),
            rows,
            "not only rows are picked"
        );
        let mut patch = Patch::new();
        let one = patch.constant(table.one);
        let zero = table.zero.map(|z| patch.constant(z));
        let bytes = [Ref::from(table.bytes), one].into_iter().chain(zero);
        let plain = patch.node(DEQUANTIZE, bytes);
        let picked = patch.node(GATHER, [plain, index.into()]);
        let scales = patch.constant(table.scales);
        let scales = patch.node(GATHER, [scales, index.into()]);
        let scaled = patch.node(MUL, [picked, scales]);
        patch.replace(cx.node(node).outputs()[0], scaled);
        Ok(patch)
    }
}

/// Whether a use is a `Gather` of rows.
fn picks_rows(cx: &Context<'_>, of: &Use) -> bool {
    matches!(of, Use::Operand { node, index: 0 } if cx.node(*node).op() == GATHER && cx.int(*node, "axis") == Some(0))
}

/// A constant with a scale for each row.
struct Table {
    bytes: ValueId,
    /// A number a row, with as many dims as the constant.
    scales: Tensor,
    one: Tensor,
    zero: Option<Tensor>,
}

impl Table {
    fn read(cx: &Context<'_>, node: NodeId) -> Result<Self, Miss> {
        let n = cx.node(node);
        let (Some(bytes), Some(scale)) = (n.input(0), n.input(1)) else { return Err(Miss::Silent) };
        let constant =
            cx.graph.const_value(bytes).ok_or_else(|| Miss::because("the table is computed", bytes))?;
        let scales =
            cx.graph.const_value(scale).ok_or_else(|| Miss::because("the scale is computed", scale))?;
        let a_row = scales.rank() == 1 && constant.shape().first() == scales.shape().first();
        if !a_row || cx.int(node, "axis") != Some(0) || scales.len() < 2 {
            return Err(Miss::Silent);
        }
        let exact = constant.dtype().bits() <= EXACT_BITS;
        require!(exact, bytes, "the numbers may be too long for the type that they become");
        let plain = n.int("block_size").unwrap_or(0) == 0 && n.int("output_dtype").unwrap_or(0) == 0;
        require!(plain, scale, "it is dequantized block by block, or to another type than the scale's");
        let zero = match n.input(2) {
            None => None,
            Some(v) => {
                let zeros = cx.graph.const_value(v).and_then(|z| z.to_f64s());
                require!(zeros.is_some_and(|z| z.iter().all(|&z| z == 0.0)), v, "a zero point is not zero");
                Some(number(&constant, 0.0)?)
            }
        };
        let mut shape = vec![1; constant.rank()];
        shape[0] = scales.len();
        let one = number(&scales, 1.0)?;
        Ok(Self { bytes, scales: scales.reshaped(&shape).map_err(|_| Miss::Silent)?, one, zero })
    }
}

/// One number of the type of another constant.
fn number(of: &Tensor, value: f64) -> Result<Tensor, Miss> {
    Tensor::from_f64s(of.dtype(), &[], &[value]).map_err(|_| Miss::Silent)
}
