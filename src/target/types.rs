//! Types of values as the tables write them.
//!
//! A word is an element type (`float`), or one in `seq(..)`, `optional(..)` or `sparse(..)`, or `map(key,value)`. A set is
//! words separated by blanks; `ints` and the like stand for several, also inside the brackets.

use crate::ir::Type;
use std::collections::BTreeSet;

/// Short names of sets.
const GROUPS: &[(&str, &[&str])] = &[
    ("ints", &["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]),
    ("floats", &["float16", "float", "double"]),
    ("float8s", &["float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"]),
];

/// Types that a parameter may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeSet {
    words: BTreeSet<String>,
    /// As the table writes it.
    text: String,
}

impl TypeSet {
    /// Reads a set.
    pub fn parse(text: &str) -> Self {
        let mut words = BTreeSet::new();
        for word in text.split_whitespace() {
            let (open, inner, close) = match (word.rfind('('), word.find(')')) {
                (Some(open), Some(close)) if !word.starts_with("map(") => {
                    (&word[..=open], &word[open + 1..close], &word[close..])
                }
                _ => ("", word, ""),
            };
            match GROUPS.iter().find(|(name, _)| *name == inner) {
                Some((_, members)) => words.extend(members.iter().map(|m| format!("{open}{m}{close}"))),
                None => {
                    words.insert(word.to_owned());
                }
            }
        }
        Self { words, text: text.to_owned() }
    }

    /// Whether a value of the type of this word is in it.
    pub fn contains(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    /// The words, groups spelled out.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str)
    }

    /// As the table writes it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The word of a type; `None` for one that no table knows.
pub fn type_word(ty: &Type) -> Option<String> {
    Some(match ty {
        Type::Tensor(t) => t.dtype.name().to_owned(),
        Type::SparseTensor(t) => format!("sparse({})", t.dtype.name()),
        Type::Sequence(t) => format!("seq({})", type_word(t)?),
        Type::Optional(t) => format!("optional({})", type_word(t)?),
        Type::Map(key, t) => format!("map({},{})", key.name(), type_word(t)?),
        Type::Opaque { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;

    #[test]
    fn groups_stand_for_their_members() {
        let set = TypeSet::parse("floats seq(ints) bool map(int64,float)");
        for word in ["float", "double", "seq(uint8)", "bool", "map(int64,float)"] {
            assert!(set.contains(word), "{word}");
        }
        assert!(!set.contains("int8") && !set.contains("seq(float)") && !set.contains("floats"));
    }

    #[test]
    fn words_are_those_of_the_tables() {
        let tensor = Type::unranked(DType::I64);
        assert_eq!(type_word(&tensor).as_deref(), Some("int64"));
        let list = Type::Optional(Box::new(Type::Sequence(Box::new(tensor))));
        assert_eq!(type_word(&list).as_deref(), Some("optional(seq(int64))"));
    }
}
