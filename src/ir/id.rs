//! Typed indexes into the arena.

use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal),*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u32);

        impl $name {
            pub(super) fn new(index: usize) -> Self {
                Self(u32::try_from(index).expect("import bounds a graph to far fewer than 2^32 entities"))
            }

            /// The position in the arena, for side tables.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )* };
}

ids! {
    /// A node of a [`Graph`](super::Graph).
    NodeId "n",
    /// A value of a [`Graph`](super::Graph): input, initializer or node output.
    ValueId "v",
    /// The root graph or a nested body.
    RegionId "r"
}

impl RegionId {
    /// The graph itself, not a body inside it.
    pub const ROOT: RegionId = RegionId(0);
}
