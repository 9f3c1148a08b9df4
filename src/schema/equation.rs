//! The equation of `Einsum`.

/// What one axis of an operand or of the result stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Index {
    /// An axis of an ellipsis, counted from its last one.
    Wild(usize),
    /// An axis with a name.
    Letter(char),
}

/// The indices of one operand or of the result: letters before and behind the place of the ellipsis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indices {
    before: Vec<char>,
    /// `None` where there is no ellipsis.
    behind: Option<Vec<char>>,
}

/// An equation in parts, such as `bij,jk->bik`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equation {
    /// What the axes of each operand stand for.
    pub operands: Vec<Indices>,
    /// What the axes of the result stand for.
    pub result: Indices,
    /// Whether the result is not written out: it has what ellipses stand for, then letters that occur once, by alphabet.
    pub implicit: bool,
}

impl Indices {
    fn parse(text: &str) -> Option<Self> {
        let letters =
            |t: &str| t.chars().all(|c| c.is_ascii_alphabetic()).then(|| t.chars().collect::<Vec<char>>());
        Some(match text.split_once("...") {
            Some((before, behind)) => Self { before: letters(before)?, behind: Some(letters(behind)?) },
            None => Self { before: letters(text)?, behind: None },
        })
    }

    /// Whether there is an ellipsis.
    pub fn is_open(&self) -> bool {
        self.behind.is_some()
    }

    /// How many axes have letters.
    pub fn letters(&self) -> usize {
        self.before.len() + self.behind.as_ref().map_or(0, Vec::len)
    }

    /// Axis by axis, where the ellipsis stands for so many.
    pub fn spread(&self, wild: usize) -> Vec<Index> {
        let wild = if self.is_open() { wild } else { 0 };
        let behind = self.behind.iter().flatten();
        let letters = |c: &char| Index::Letter(*c);
        self.before
            .iter()
            .map(letters)
            .chain((0..wild).rev().map(Index::Wild))
            .chain(behind.map(letters))
            .collect()
    }
}

impl Equation {
    /// Reads an equation. `None` for a malformed one.
    pub fn parse(text: &str) -> Option<Self> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (text.as_str(), None),
        };
        let operands = left.split(',').map(Indices::parse).collect::<Option<Vec<_>>>()?;
        let result = match right {
            Some(right) => Indices::parse(right)?,
            None => implied(&operands),
        };
        Some(Self { operands, result, implicit: right.is_none() })
    }
}

fn implied(operands: &[Indices]) -> Indices {
    let all: Vec<char> =
        operands.iter().flat_map(|o| o.before.iter().chain(o.behind.iter().flatten())).copied().collect();
    let mut once: Vec<char> =
        all.iter().copied().filter(|c| all.iter().filter(|d| *d == c).count() == 1).collect();
    once.sort_unstable();
    if operands.iter().any(Indices::is_open) {
        Indices { before: Vec::new(), behind: Some(once) }
    } else {
        Indices { before: once, behind: None }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(indices: &Indices) -> String {
        let letter = |i: &Index| match i {
            Index::Wild(n) => char::from_digit(*n as u32, 10).unwrap(),
            Index::Letter(c) => *c,
        };
        indices.spread(2).iter().map(letter).collect()
    }

    #[test]
    fn equations_have_parts() {
        for (equation, parts) in [
            ("b i j, jk -> bik", vec!["bij", "jk", "bik"]),
            ("ij,jk", vec!["ij", "jk", "ik"]),
            ("ba", vec!["ba", "ab"]),
            ("...ij,jK", vec!["10ij", "jK", "10Ki"]),
            ("i...->...i", vec!["i10", "10i"]),
            ("ii->", vec!["ii", ""]),
            (",i", vec!["", "i", "i"]),
        ] {
            let parsed = Equation::parse(equation).unwrap();
            let found: Vec<String> = parsed.operands.iter().chain([&parsed.result]).map(text).collect();
            assert_eq!(found, parts, "{equation}");
        }
    }

    #[test]
    fn malformed_equations_have_none() {
        for equation in ["i.j->ij", "i1->i", "...i...->i", "ij->i,j", "i->j->k"] {
            assert_eq!(Equation::parse(equation), None, "{equation}");
        }
    }
}
