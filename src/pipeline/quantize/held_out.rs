//! Which samples the result is made from, and on which it is measured.
//!
//! What ranges and rounding were fitted to flatters the result: the last samples of the shuffled order are held out, and
//! only measured on. Of very few samples none can be spared.

use super::QuantizeJob;
use crate::data::Source;
use crate::diag::Diags;
use crate::error::{Error, Result};

/// Of so many samples one is held out …
const ONE_OF: usize = 4;
/// … but at most so many …
const MOST: usize = 16;
/// … and none of fewer.
const LEAST_SAMPLES: usize = 8;

/// The samples, divided.
pub(super) struct Divided {
    /// What ranges, rounding and corrections are from.
    pub(super) fitted: Source,
    /// On which the result is measured.
    pub(super) judged: Source,
    /// Of all samples, so many are judged and not fitted.
    pub(super) held_out: usize,
}

/// Divides the samples as the job says.
///
/// # Errors
/// As many are to be held out as there are.
pub(super) fn divided(source: &Source, job: &QuantizeJob, diags: &mut Diags) -> Result<Divided> {
    let (samples, asked) = (source.len(), job.evidence.data.held_out);
    let held_out = asked.unwrap_or(if job.verify { usual(samples) } else { 0 });
    if held_out >= samples {
        let message =
            format!("{held_out} samples are to be held out of {samples}: none is left to calibrate on");
        return Err(Error::new(message).with_help("give more samples, or a smaller number to --held-out"));
    }
    if asked.is_none() && held_out == 0 && job.verify {
        let message = format!(
            "of fewer than {LEAST_SAMPLES} samples none is held out: the result is measured on those that it is made from"
        );
        diags.note("nothing-held-out", None, message);
    }
    let fitted = source.part(0..samples - held_out);
    let judged = match held_out {
        0 => source.part(0..samples.min(MOST)),
        _ => source.part(samples - held_out..samples),
    };
    Ok(Divided { fitted, judged, held_out })
}

/// How many are held out where nothing is said.
fn usual(samples: usize) -> usize {
    if samples < LEAST_SAMPLES { 0 } else { (samples / ONE_OF).min(MOST) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_held_out_of_what_is_enough() {
        let all = [1, 7, 8, 11, 32, 64, 1000].map(usual);
        assert_eq!(all, [0, 0, 2, 2, 8, 16, 16]);
    }
}
