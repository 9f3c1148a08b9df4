//! A digest of what a model would be written as, all data inline.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::export::{self, Placement};
use super::out::Out;
use crate::error::Result;
use crate::ir::Model;

/// SHA-256 of the encoded model in hexadecimal digits, whatever its length and wherever its external data lie.
///
/// # Errors
/// The graph has a cycle, or external data cannot be read.
pub fn digest(model: &Model) -> Result<String> {
    let mut hashing = Hashing(Sha256::new());
    export::model(model, &Placement::default())?.rope.write_to(&mut hashing)?;
    Ok(hashing.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out for Hashing {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::io::to_bytes;
    use crate::text::parse_model;

    #[test]
    fn it_is_that_of_the_encoded_model() {
        let text = |w| {
            format!("<ir_version: 8, opset_import: [\"\" : 17]> g (float[1] x) => (float[1] y) <float[1] w = {{{w}}}>
                {{ y = Add (x, w) }}")
        };
        let [one, two] = [1, 2].map(|w| parse_model(&text(w)).unwrap());
        let expected = Sha256::digest(to_bytes(&one).unwrap());
        let expected: String = expected.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest(&one).unwrap(), expected);
        assert_ne!(digest(&two).unwrap(), expected);
    }
}
