//! One result schema for every command, its JSON, and how a person reads it.
//!
//! A report is data; nothing here prints. Numbers carry their unit in the field's name (`seconds`,
//! `peak_memory_bytes`) or in the text ("2.1 s", "86.7 MiB").

mod bench;
mod check;
mod comparison;
mod formats;
mod inspection;
mod number;
mod optimize;
mod parity;
mod pass;
mod plain;
mod quantize;
mod table;
mod target;
mod tuning;
mod units;

pub use bench::{BenchReport, Race};
pub use check::{BuildReport, CheckReport, Finding};
pub use comparison::{CompareReport, DiffReport, Page, SetupReport, TextReport};
pub use formats::Format;
pub use inspection::{FunctionReport, InspectReport, OpCount, OpsetReport, ValueReport, WeightReport};
pub use number::Number;
pub use optimize::{Change, MissReport, OptimizeReport, PassReport, why};
pub use parity::{Culprit, DivergenceReport, OutputReport, ParityReport, Status};
pub use pass::{PassList, PassRow};
pub use plain::plain;
pub use quantize::{
    AccuracyReport, KernelRow, OutputAccuracyReport, PlanRow, PutBack, QuantizeReport, QuantizedRace,
    SensitivityRow,
};
pub use target::{LimitRow, OpRow, TargetList, TargetPage, TargetRow};
pub use tuning::{Trial, TuningReport};
pub use units::{bytes, count, seconds};

use serde::Serialize;

/// The version of the schema: raised when a field changes its meaning or goes; new fields do not raise it.
pub const SCHEMA_VERSION: u32 = 1;

/// A result with its schema version in front, as JSON over several lines.
pub fn json<T: Serialize>(result: &T) -> String {
    #[derive(Serialize)]
    struct Versioned<'a, T> {
        schema_version: u32,
        #[serde(flatten)]
        result: &'a T,
    }
    let versioned = Versioned { schema_version: SCHEMA_VERSION, result };
    serde_json::to_string_pretty(&versioned).expect("a report has string keys and finite numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_comes_first() {
        #[derive(Serialize)]
        struct Result {
            nodes: u64,
        }
        assert_eq!(json(&Result { nodes: 3 }), "{\n  \"schema_version\": 1,\n  \"nodes\": 3\n}");
    }
}
