//! One file a pass; its page is its `//!`.

pub mod convert_opset;
