//! One file a pass; its page is its `//!`.
