//! Rotary embeddings: pairs of elements of each head, turned by an angle.

use super::Formula;
use crate::rewrite::Ref;

/// Heads, and how they are turned.
pub(in crate::passes) struct Turn {
    /// `[batch, sequence, heads, size]` or `[batch, heads, sequence, size]`.
    pub(in crate::passes) heads: Ref,
    /// Cosines and sines for each head, `[batch or 1, …, half]`.
    pub(in crate::passes) angles: [Ref; 2],
    /// Half of what is turned of a head, its first part.
    pub(in crate::passes) half: i64,
    /// Of a head.
    pub(in crate::passes) size: i64,
    /// Whether pairs are neighbors, and not of both halves.
    pub(in crate::passes) interleaved: bool,
}

impl Turn {
    /// The heads, turned.
    pub(in crate::passes) fn emit(self, f: &mut Formula<'_>) -> Ref {
        let turned = 2 * self.half;
        let rest = self.size - turned;
        let parts = if rest == 0 { Vec::new() } else { f.split(self.heads, 3, &[turned, rest]) };
        let first = parts.first().copied().unwrap_or(self.heads);
        let y = if self.interleaved {
            neighbors(f, first, self.angles, self.half)
        } else {
            let halves = f.split(first, 3, &[self.half, self.half]);
            let [a, b] = turn(f, [halves[0], halves[1]], self.angles);
            f.concat(&[a, b], 3)
        };
        match parts.get(1) {
            Some(&rest) => f.concat(&[y, rest], 3),
            None => y,
        }
    }
}

/// Turns pairs of neighbors.
fn neighbors(f: &mut Formula<'_>, x: Ref, angles: [Ref; 2], half: i64) -> Ref {
    let pairs = f.reshape(x, &[0, 0, 0, half, 2]);
    let parts = f.split(pairs, 4, &[1, 1]);
    let angles = angles.map(|angle| f.unsqueeze(angle, &[4]));
    let turned = turn(f, [parts[0], parts[1]], angles);
    let pairs = f.concat(&turned, 4);
    f.reshape(pairs, &[0, 0, 0, 2 * half])
}

fn turn(f: &mut Formula<'_>, [a, b]: [Ref; 2], [cos, sin]: [Ref; 2]) -> [Ref; 2] {
    let (ac, bs) = (f.mul(a, cos), f.mul(b, sin));
    let (as_, bc) = (f.mul(a, sin), f.mul(b, cos));
    [f.sub(ac, bs), f.add(as_, bc)]
}
