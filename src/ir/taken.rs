//! The names that values have or had, and new ones beside them.

use super::Name;
use rustc_hash::FxHashMap;

/// Every name ever given to a value, with the number to try first behind it for a new one.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken(FxHashMap<Name, u64>);

impl Taken {
    pub(super) fn insert(&mut self, name: &Name) {
        if !self.0.contains_key(name) {
            self.0.insert(name.clone(), 1);
        }
    }

    /// `base`, or where it is taken `base` with a number behind it. Numbers are not tried twice, so a name costs the
    /// same however often its base is asked for.
    pub(super) fn fresh(&mut self, base: &str) -> Name {
        if base.is_empty() {
            return self.fresh("value");
        }
        let Some(&first) = self.0.get(base) else {
            return base.into();
        };
        let numbered = (first..).map(|i| (i, format!("{base}_{i}")));
        let free = numbered.into_iter().find(|(_, name)| !self.0.contains_key(name.as_str()));
        let (number, name) = free.expect("there are more numbers than names");
        self.0.insert(base.into(), number + 1);
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(names: &[&str]) -> Taken {
        let mut taken = Taken::default();
        names.iter().for_each(|&n| taken.insert(&n.into()));
        taken
    }

    #[test]
    fn a_free_base_is_taken_as_it_is() {
        assert_eq!(&*taken(&["a"]).fresh("b"), "b");
        assert_eq!(&*taken(&["a"]).fresh(""), "value");
    }

    #[test]
    fn numbers_in_use_are_skipped_and_none_is_given_twice() {
        let mut taken = taken(&["a", "a_1", "a_3"]);
        let given: Vec<Name> = (0..3).map(|_| taken.fresh("a")).collect();
        assert_eq!(given, ["a_2", "a_4", "a_5"].map(Name::from));
    }

    /// In time that is linear in their number: for a square of it this test would not end.
    #[test]
    fn a_base_may_be_asked_for_often() {
        let mut taken = taken(&["a"]);
        let last = (0..100_000).map(|_| {
            let name = taken.fresh("a");
            taken.insert(&name);
            name
        });
        assert_eq!(last.last(), Some("a_100000".into()));
    }
}
