//! Which nodes an equation of one or two operands comes to, from its indices alone.

use crate::schema::Index;

/// Nodes in place of an `Einsum`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// The operand itself.
    Same,
    /// A `Transpose` by this permutation.
    Transpose(Vec<i64>),
    /// A `ReduceSum` that drops these axes.
    Sum(Vec<i64>),
    /// A `Mul` of both operands.
    Mul,
    /// A `MatMul` of both operands, with what is summed over.
    MatMul {
        /// Where the summed index is in each operand.
        summed: [usize; 2],
        /// Whether the second operand is the left factor.
        swapped: bool,
        /// What is transposed before or behind it.
        turns: Vec<Turned>,
    },
}

/// What is transposed, what is best transposed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The second operand.
    Second,
    /// The first operand.
    First,
    Result,
}

/// What is transposed, and by which permutation.
pub(super) type Turned = (Turn, Vec<i64>);

/// The plan for one operand.
pub(super) fn unary(operand: &[Index], result: &[Index]) -> Result<Plan, &'static str> {
    if let Some(perm) = permutation(operand, result) {
        return Ok(if operand == result { Plan::Same } else { Plan::Transpose(perm) });
    }
    let kept: Vec<Index> = operand.iter().copied().filter(|i| result.contains(i)).collect();
    if kept != result {
        return Err("it transposes and sums");
    }
    let dropped = operand.iter().enumerate().filter(|(_, i)| !result.contains(i));
    Ok(Plan::Sum(dropped.map(|(axis, _)| axis as i64).collect()))
}

/// The plan for two operands, where transpositions of those that are `free` cost nothing.
pub(super) fn binary(operands: [&[Index]; 2], result: &[Index], free: &[Turn]) -> Result<Plan, &'static str> {
    let [a, b] = operands;
    if a.iter().any(|i| !b.contains(i) && !result.contains(i))
        || b.iter().any(|i| !a.contains(i) && !result.contains(i))
    {
        return Err("it sums over a letter of one operand only");
    }
    let summed: Vec<Index> = a.iter().copied().filter(|i| !result.contains(i)).collect();
    let summed = match summed[..] {
        [] => {
            let aligned = stretched(a, b).is_some_and(|all| all == result);
            return if aligned {
                Ok(Plan::Mul)
            } else {
                Err("nothing is summed and the operands do not line up")
            };
        }
        [summed] => summed,
        _ => return Err("it sums over several letters"),
    };
    let ways = [false, true].map(|swapped| ways(operands, result, summed, swapped));
    let cost = |turns: &[Turned]| turns.iter().filter(|(turn, _)| !free.contains(turn)).count();
    let best = ways.into_iter().flatten().min_by_key(|(_, turns)| {
        let unlike = turns.iter().map(|(turn, _)| *turn as usize).sum::<usize>();
        (cost(turns), turns.len(), unlike)
    });
    let best = best.filter(|(_, turns)| cost(turns) <= 1);
    let (swapped, turns) = best.ok_or("it takes more than one Transpose")?;
    let place = |indices: &[Index]| indices.iter().position(|i| *i == summed).unwrap_or(0);
    Ok(Plan::MatMul { summed: operands.map(place), swapped, turns })
}

/// Products in the order of the result, in that of an operand, and of the operands as they are, with what each takes to
/// be transposed.
fn ways(operands: [&[Index]; 2], result: &[Index], summed: Index, swapped: bool) -> Vec<(bool, Vec<Turned>)> {
    let [a, b] = operands;
    let own = |first: &[Index]| {
        let both = first.iter().filter(|i| a.contains(i) && b.contains(i) && **i != summed);
        let (left, right) = if swapped { (b, a) } else { (a, b) };
        let rows = left.iter().filter(|i| !right.contains(i));
        let columns = right.iter().filter(|i| !left.contains(i));
        both.chain(rows).chain(columns).copied().collect::<Vec<Index>>()
    };
    let orders = [result.to_vec(), own(a), own(b)];
    let turned =
        orders.iter().map(|order| [factor(a, order, summed, !swapped), factor(b, order, summed, swapped)]);
    let ways = std::iter::once(operands.map(<[Index]>::to_vec)).chain(turned).filter_map(|factors| {
        let [left, right] = if swapped { [&factors[1], &factors[0]] } else { [&factors[0], &factors[1]] };
        let product = multiplied(left, right, summed)?;
        let turns = [
            (Turn::Second, permutation(b, &factors[1])?),
            (Turn::First, permutation(a, &factors[0])?),
            (Turn::Result, permutation(&product, result)?),
        ];
        let moves = |(_, perm): &Turned| !perm.is_sorted();
        Some((swapped, turns.into_iter().filter(moves).collect()))
    });
    ways.collect()
}

/// An operand as the left or right factor of a product whose other indices stand as in the result.
fn factor(operand: &[Index], result: &[Index], summed: Index, left: bool) -> Vec<Index> {
    let mut factor: Vec<Index> = result.iter().copied().filter(|i| operand.contains(i)).collect();
    let place = if left { factor.len() } else { factor.len().saturating_sub(1) };
    factor.insert(place, summed);
    factor
}

/// The indices of a `MatMul`, where that is one over the summed index.
fn multiplied(left: &[Index], right: &[Index], summed: Index) -> Option<Vec<Index>> {
    let (&last, left) = left.split_last()?;
    let (row, left) = left.split_last().map_or((None, left), |(row, batch)| (Some(*row), batch));
    let (column, second, right) = match right {
        [] => return None,
        [only] => (None, *only, &[][..]),
        [batch @ .., second, column] => (Some(*column), *second, batch),
    };
    if last != summed || second != summed {
        return None;
    }
    let mut all = stretched(left, right)?;
    all.extend(row);
    all.extend(column);
    Some(all)
}

/// The longer of two lists that end the same way.
fn stretched(a: &[Index], b: &[Index]) -> Option<Vec<Index>> {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    long.ends_with(short).then(|| long.to_vec())
}

/// How `from`, which has no index twice, becomes `to`.
fn permutation(from: &[Index], to: &[Index]) -> Option<Vec<i64>> {
    let place = |index: &Index| from.iter().position(|i| i == index).map(|p| p as i64);
    if from.len() == to.len() { to.iter().map(place).collect() } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::schema::Equation;

    fn plan(equation: &str, free: &[Turn]) -> Result<Plan, &'static str> {
        let equation = Equation::parse(equation).unwrap();
        let result = equation.result.spread(1);
        let operands: Vec<Vec<Index>> = equation.operands.iter().map(|o| o.spread(1)).collect();
        binary([&operands[0], &operands[1]], &result, free)
    }

    #[test]
    fn one_transposition_is_enough() {
        for (equation, order, turned, perm) in [
            ("ki,jk->ij", true, Turn::Result, [1, 0].as_slice()),
            ("bik,bjk->bij", false, Turn::Second, &[0, 2, 1]),
            ("kbi,bkj->bij", false, Turn::First, &[1, 2, 0]),
            ("bik,bkj->jbi", false, Turn::Result, &[2, 0, 1]),
        ] {
            let Plan::MatMul { swapped, turns, .. } = plan(equation, &[]).unwrap() else {
                panic!("{equation}")
            };
            assert_eq!((swapped, turns), (order, vec![(turned, perm.to_vec())]), "{equation}");
        }
    }

    #[test]
    fn transpositions_that_cost_nothing_are_not_counted() {
        for (equation, free, count) in [
            ("bqhd,bkhd->bhqk", [Turn::First].as_slice(), 2),
            ("bqhd,bkhd->bhqk", &[Turn::Second], 2),
            ("bhqk,bkhd->bqhd", &[Turn::Result], 2),
            ("bqhd,bkhd->bqhk", &[Turn::Second, Turn::First], 3),
            ("bqhd,bkhd->bkqh", &[Turn::First, Turn::Result], 3),
        ] {
            assert!(plan(equation, &[]).is_err(), "{equation}");
            let Plan::MatMul { turns, .. } = plan(equation, free).unwrap() else { panic!("{equation}") };
            assert_eq!(turns.len(), count, "{equation}");
        }
    }

    #[test]
    fn a_letter_of_both_that_is_no_batch_is_refused() {
        let all = [Turn::First, Turn::Second, Turn::Result];
        for equation in ["ik,ki->i", "bik,bk->bi"] {
            assert!(plan(equation, &all).is_err(), "{equation}");
        }
        for equation in ["bik,kb->ib", "ib,bj->bij"] {
            assert!(plan(equation, &[]).is_err(), "{equation}");
        }
    }

    #[test]
    fn batches_line_up_from_the_last() {
        for equation in ["abik,bkj->abij", "...ik,kj->...ij", "bk,k->b", "k,bkj->bj", "ik,kb...->ib..."] {
            let plan = plan(equation, &[]);
            let untouched = matches!(plan, Ok(Plan::MatMul { turns, .. }) if turns.is_empty());
            assert_eq!(untouched, !equation.starts_with("ik"), "{equation}");
        }
    }
}
