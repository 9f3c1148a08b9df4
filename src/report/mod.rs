//! One schema for every result.
