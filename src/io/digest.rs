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
    use crate::ir::RegionId;
    use crate::tensor::Tensor;

    #[test]
    fn it_is_that_of_the_encoded_model() {
        let [one, two] = [1f32, 2.0].map(|weight| {
            let mut model = Model::new(17);
            model.graph.add_initializer(RegionId::ROOT, "w", Tensor::vector(&[weight; 500]));
            model
        });
        let expected = Sha256::digest(to_bytes(&one).unwrap());
        let expected: String = expected.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest(&one).unwrap(), expected);
        assert_ne!(digest(&two).unwrap(), expected);
    }
}
