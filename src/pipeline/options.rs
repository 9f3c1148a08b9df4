//! Which passes are to run, and how they are watched.

use super::registry::{Entry, registry};
use super::sizes::Sizes;
use crate::error::{Error, Result};
use crate::rewrite::OpsetRequest;
use crate::target::Target;
use std::path::PathBuf;

/// The pass that answers `--opset`.
pub(super) const CONVERTER: &str = "convert-opset";

/// How much folding may grow a file: by a share of it, or by so many bytes where that is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The share, in percent; what it comes to is rounded down to a power of two.
    pub percent: u64,
    /// The bytes.
    pub bytes: u64,
}

impl Default for Growth {
    fn default() -> Self {
        Self { percent: 1, bytes: 64 * 1024 }
    }
}

impl Growth {
    /// The budget in bytes for a file of so many.
    ///
    /// Rounded, so that the somewhat larger result of a run has the same budget and a second run folds nothing more.
    pub(super) fn budget(self, bytes: u64) -> u64 {
        let share = u128::from(bytes) * u128::from(self.percent) / 100;
        let share = share.checked_ilog2().map_or(0, |log| 1 << log.min(63));
        self.bytes.max(share)
    }
}

/// Which passes are to run, and how they are watched.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the model is written for.
    pub target: Target,
    /// 0 changes nothing, 1 runs exact passes, 2 reassociating ones too, 3 approximating ones too.
    pub level: u8,
    /// The opset to end with. Anything but `Keep` runs `convert-opset` at every level.
    pub opset: OpsetRequest,
    /// Sizes that are fixed before anything else is done.
    pub sizes: Sizes,
    /// Passes to run whatever the level.
    pub enable: Vec<String>,
    /// Passes not to run.
    pub disable: Vec<String>,
    /// Where not empty, the only passes to run.
    pub only: Vec<String>,
    /// Stop after so many changes, to find the one that does harm.
    pub pass_limit: Option<u64>,
    /// How much folding may grow the file.
    pub growth: Growth,
    /// Verify the graph after every pass, not only at the end.
    pub verify_each: bool,
    /// A folder for the model as text after every pass that changed it.
    pub dump_ir: Option<PathBuf>,
}

impl Options {
    /// The defaults of the command line: level 2, the model's own opset.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            level: 2,
            opset: OpsetRequest::Keep,
            sizes: Sizes::default(),
            enable: Vec::new(),
            disable: Vec::new(),
            only: Vec::new(),
            pass_limit: None,
            growth: Growth::default(),
            verify_each: false,
            dump_ir: None,
        }
    }

    /// The passes to run, in their order.
    ///
    /// # Errors
    /// A name is none of a pass.
    pub fn passes(&self) -> Result<Vec<Entry>> {
        let all = registry();
        for id in self.enable.iter().chain(&self.disable).chain(&self.only) {
            if !all.iter().any(|e| e.id() == id) {
                return Err(unknown(id, &all));
            }
        }
        Ok(all.into_iter().filter(|e| self.runs(e)).collect())
    }

    fn runs(&self, entry: &Entry) -> bool {
        let named = |ids: &[String]| ids.iter().any(|id| id == entry.id());
        let wanted = match (self.opset, entry.id()) {
            (OpsetRequest::Keep, CONVERTER) => false,
            (_, CONVERTER) => true,
            _ if !self.only.is_empty() => named(&self.only),
            _ => self.runs_unnamed(entry) || named(&self.enable),
        };
        wanted && !named(&self.disable)
    }

    /// Whether a pass of this level runs by name only since its operators are said to be slower on the target.
    pub(super) fn is_held_back_as_slower(&self, entry: &Entry) -> bool {
        entry.meta().is_slower_on(&self.target)
            && entry.meta().exactness.level().is_some_and(|level| level <= self.level)
    }

    /// Whether a pass runs that is not named: at this level, where its operators are no slower on the target than what
    /// they replace. What a target without a table does not define is carried, and rewritten only by name.
    pub(super) fn runs_unnamed(&self, entry: &Entry) -> bool {
        let slower = entry.meta().is_slower_on(&self.target);
        let carried = self.target.table.is_none() && !entry.work().unfolds().is_empty();
        let level = entry.meta().exactness.level();
        !slower && !carried && level.is_some_and(|level| level <= self.level)
    }
}

/// The pass of a name.
///
/// # Errors
/// There is none; the help names the one that was meant, or where they are listed.
pub fn find(id: &str) -> Result<Entry> {
    let mut all = registry();
    match all.iter().position(|e| e.id() == id) {
        Some(at) => Ok(all.swap_remove(at)),
        None => Err(unknown(id, &all)),
    }
}

fn unknown(id: &str, all: &[Entry]) -> Error {
    let near = all.iter().map(|e| (distance(id, e.id()), e.id())).min();
    let help = match near {
        Some((d, near)) if d <= 2 + id.len() / 4 => {
            format!("did you mean '{near}'? `onnxpress passes` lists all")
        }
        _ => "`onnxpress passes` lists all".to_owned(),
    };
    Error::new(format!("there is no pass '{id}'")).with_help(help)
}

/// Insertions, deletions and substitutions between two words.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rewrite::Exactness;

    fn options() -> Options {
        Options::new(Target::named("onnx").unwrap())
    }

    fn ids(options: &Options) -> Vec<String> {
        options.passes().unwrap().iter().map(|e| e.id().to_owned()).collect()
    }

    #[test]
    fn level_0_runs_nothing_and_each_level_adds() {
        let at = |level| ids(&Options { level, ..options() });
        assert!(at(0).is_empty());
        assert!(!at(1).is_empty());
        assert!(at(1).len() <= at(2).len() && at(2).len() <= at(3).len());
        for entry in (Options { level: 1, ..options() }).passes().unwrap() {
            assert_eq!(entry.meta().exactness, Exactness::Exact, "{}", entry.id());
        }
    }

    #[test]
    fn names_add_remove_and_restrict() {
        let some = registry().iter().map(|e| e.id().to_owned()).find(|id| id != CONVERTER).unwrap();
        let one = vec![some.clone()];
        assert_eq!(ids(&Options { level: 0, enable: one.clone(), ..options() }), one);
        assert_eq!(ids(&Options { only: one.clone(), ..options() }), one);
        assert!(!ids(&Options { level: 3, disable: one.clone(), ..options() }).contains(&some));
    }

    #[test]
    fn an_unknown_name_is_corrected() {
        let some = registry()[0].id().to_owned();
        let error = Options { enable: vec![format!("{some}x")], ..options() }.passes().err().unwrap();
        assert!(error.help().unwrap().contains(&format!("'{some}'")), "{error:?}");
        assert!(!find("quite-something-else").err().unwrap().help().unwrap().contains("did you mean"));
    }

    #[test]
    fn what_folding_added_does_not_buy_more_folding() {
        let growth = Growth::default();
        assert_eq!([0, 15_000, 6_000_000].map(|bytes| growth.budget(bytes)), [64 * 1024; 3]);
        let bytes = 400 << 20;
        assert_eq!(growth.budget(bytes), 4 << 20);
        assert_eq!(growth.budget(bytes + growth.budget(bytes)), growth.budget(bytes));
        assert_eq!(Growth { percent: u64::MAX, bytes: 0 }.budget(u64::MAX), 1 << 63);
    }

    #[test]
    fn distances() {
        assert_eq!(
            [distance("fuse-gelu", "fuse-gelu"), distance("gleu", "gelu"), distance("", "abc")],
            [0, 2, 3]
        );
    }
}
