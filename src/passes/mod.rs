//! One file a pass; its page is its `//!`.

pub mod convert_opset;
pub mod fold_constants;
pub mod fuse_conv_batch_norm;
pub mod fuse_gelu;
pub mod fuse_gelu_tanh;
pub mod fuse_layer_norm;
pub mod infer_shapes;
pub mod inline_constant_if;
pub mod lift_constants;
pub mod merge_duplicates;
pub mod remove_dead;
pub mod remove_identity;

mod fold;
