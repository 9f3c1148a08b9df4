//! Reshapes and transpositions as what they do to the factors of a shape, and the shortest way to do the same.

mod block;
mod emit;
mod factors;
mod moves;
mod plan;
#[cfg(test)]
mod tests;

pub(super) use block::{FEWEST_BYTES, moves_blocks};
pub(super) use emit::{Known, Op, realize};
pub(super) use factors::{Axes, Layout};
pub(super) use moves::is_move;
pub(super) use plan::{Step, plans, shape};
