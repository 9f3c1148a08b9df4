//! One file a pass; its page is its `//!`.
//!
//! These lines are the registry: a public module is a pass, and passes run in the order in which they are listed here.
//! Each has a function `pass` that says what is to be run.

pub mod inline_functions;
pub mod convert_opset;
pub mod lift_constants;
pub mod infer_shapes;
pub mod inline_constant_if;
pub mod inline_loop;
pub mod trim_bodies;
pub mod drop_failing_branch;
pub mod remove_identity;
pub mod remove_neutral_operand;
pub mod omit_optional;
pub mod merge_duplicates;
pub mod hoist_nodes;
pub mod fold_constants;
pub mod constant_shapes;
pub mod shorten_shapes;
pub mod fuse_layer_norm;
pub mod fuse_rms_norm;
pub mod fuse_instance_norm;
pub mod fuse_group_norm;
pub mod fuse_gelu;
pub mod fuse_gelu_tanh;
pub mod fuse_conv_batch_norm;
pub mod fuse_inverse;
pub mod share_signs;
pub mod fuse_hard_sigmoid;
pub mod fuse_hard_swish;
pub mod fuse_softplus;
pub mod fuse_mish;
pub mod fuse_swish;
pub mod fuse_softmax;
pub mod fuse_reduction;
pub mod fuse_lp_norm;
pub mod fuse_linear_scale;
pub mod fuse_linear_bias;
pub mod fuse_linear_input;
pub mod merge_transposed;
pub mod pack_linears;
pub mod fuse_gemm;
pub mod unfold_gemm;
pub mod unfold_einsum;
pub mod merge_casts;
pub mod remove_expand;
pub mod merge_extensions;
pub mod fuse_pad;
pub mod merge_slices;
pub mod merge_movement;
pub mod merge_clips;
pub mod merge_logic;
pub mod remove_sequences;
pub mod fold_uniform;
pub mod skip_monotone;
pub mod merge_reduces;
pub mod remove_dead;

mod equal;
mod fold;
mod layout;
mod linear;
mod normalization;
mod padding;
mod range;
mod reduction;
mod shape_operand;
