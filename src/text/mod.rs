//! ONNX's textual syntax, read and printed: what fixtures are written in, what `inspect --text` and `diff` show.
//!
//! ```text
//! <ir_version: 8, opset_import: ["" : 20, "com.microsoft" : 1]>
//! main (float[N,4] x, bool cond) => (float[N,4] y)
//! <
//!     float[4] scale = {1, 0.5, 2, -1e-3},      # an initializer
//!     float[4,4] w = random(7),                 # large weights need not be written out
//!     float[N,4] t                              # a declared type
//! >
//! {
//!     t = Mul (x, scale)
//!     [my_node] u = Softmax <axis = -1> (t)
//!     v = com.microsoft.FusedMatMul <alpha = 2.0> (u, w)
//!     y = If (cond) <
//!         then_branch = yes () => (a) { a = Clip (v, "", limit)  limit = Constant <value = float {6}> () },
//!         else_branch = no () => (b) { b = Identity (v) }>
//! }
//! ```
//! The grammar is that of `onnx.parser` (onnx 1.23.2, `docs/Syntax.md`), with which what both know is exchanged freely:
//! head, functions, quoted names, `seq(…)`/`map(…)` types, `attribute: kind = value`, references `@name`, attributes
//! before or behind the operands, `#` comments. `float` is a scalar, `float[]` a tensor of unknown rank, `?` a size
//! without a name. `float16[1] {15360}` holds the bits of 1; `{1.0}` is the number. An input with a value,
//! `(float[2] w = {1, 2})`, may be overridden; before IR 4 it is an initializer that is listed as an input.
//!
//! Beyond that grammar are read, and printed where nothing else would do:
//! * `= random(SEED)`, `= random(SEED, LOW, HIGH)`, `= fill(VALUE)` for values, read only;
//! * names that are no identifiers, in quotes, for ops, domains, overloads and attributes as well;
//! * `\xNN` in quotes, a byte; `float16` and `bfloat16` values with a point or an exponent;
//! * lists of tensors, graphs and types; `sparse_tensor(float[9]) (int64[2] {1, 4}, float[2] {5, 6})`;
//! * `name = float[2] {1, 2}` among inputs whose declared type is symbolic; initializers of functions;
//! * nodes in any order, as ONNX Runtime takes them.
//!
//! Not in a text: doc strings and metadata below the model, quantization annotations, training info, unknown fields.
//!
//! | file | idea |
//! |---|---|
//! | `lexer` | tokens, errors with line and column |
//! | `types`, `tensor`, `made`, `attribute`, `header` | one part of the syntax each, most both ways |
//! | `parse`, `scope` | graphs from text; names to values |
//! | `print`, `write` | text from graphs |
//! | `diff` | what changed between two models |

mod attribute;
mod diff;
mod header;
mod lexer;
mod made;
mod parse;
mod print;
mod scope;
mod tensor;
mod types;
mod write;

pub use diff::{Counts, Diff, diff};
pub use parse::parse_model;
pub use print::{print_graph, print_model};
pub use tensor::PrintOptions;
pub use types::type_text;
