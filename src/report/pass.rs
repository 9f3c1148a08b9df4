//! The passes that there are.

use super::table::table;
use serde::Serialize;

/// One pass.
#[derive(Clone, Debug, Serialize)]
pub struct PassRow {
    /// Its name.
    pub id: String,
    /// How much it may change the numbers.
    pub exactness: String,
    /// The lowest `-O` at which it runs unasked; `None` where only by name.
    pub level: Option<u8>,
    /// The lowest opset at which it can fire.
    pub since_opset: i64,
    /// What becomes what.
    pub summary: String,
}

/// All passes, in the order in which they run.
#[derive(Clone, Debug, Serialize)]
pub struct PassList {
    /// The passes.
    pub passes: Vec<PassRow>,
}

impl PassList {
    /// As a table.
    pub fn human(&self) -> String {
        let rows = self.passes.iter().map(|p| {
            let level = p.level.map_or("by name".to_owned(), |l| format!("-O{l}"));
            vec![p.id.clone(), p.exactness.clone(), level, p.since_opset.to_string(), p.summary.clone()]
        });
        table(&["pass", "exactness", "from", ">opset", "what it does"], rows.collect())
    }
}
