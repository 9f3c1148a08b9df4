//! A model against its original.
