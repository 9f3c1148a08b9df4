//! Recurrent layers.

use super::{Rule, dims};
use crate::analysis::site::Site;
use crate::ir::Dim;

pub(super) const RULES: &[(&str, &str, Rule)] = &[
    ("", "GRU", recurrent),
    ("", "LSTM", recurrent),
    ("", "RNN", recurrent),
    ("com.microsoft", "DynamicQuantizeLSTM", recurrent),
];

/// `Y` is `[time, directions, batch, hidden]`, the last states `[directions, batch, hidden]`; with `layout` 1 the batch
/// comes first.
fn recurrent(site: &mut Site<'_>) -> Option<()> {
    let directions = match site.string_or("direction", "forward")? {
        "forward" | "reverse" => 1,
        "bidirectional" => 2,
        _ => return None,
    };
    let batch_first = site.int_or("layout", 0)? != 0;
    let (time_axis, batch_axis) = if batch_first { (1, 0) } else { (0, 1) };
    let (time, batch) = (site.dim(0, time_axis).cloned(), site.dim(0, batch_axis).cloned());
    // The quantized form keeps its weights transposed.
    let stated = site.node().int("hidden_size").and_then(dims::size);
    let recurrence = if site.name() == "DynamicQuantizeLSTM" { site.dim(2, 1) } else { site.dim(2, 2) };
    let hidden = stated.or_else(|| recurrence.cloned());
    let directions = Dim::Fixed(directions);
    for output in 0..3 {
        let time = site.dim_or_fresh(time.clone(), output, 0);
        let batch = site.dim_or_fresh(batch.clone(), output, 2);
        let hidden = site.dim_or_fresh(hidden.clone(), output, 3);
        let shape = match (output, batch_first) {
            (0, false) => vec![time, directions.clone(), batch, hidden],
            (0, true) => vec![batch, time, directions.clone(), hidden],
            (_, false) => vec![directions.clone(), batch, hidden],
            (_, true) => vec![batch, directions.clone(), hidden],
        };
        site.set_shape(output, shape);
    }
    Some(())
}
