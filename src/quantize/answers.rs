//! What an original makes of samples, run once where memory allows.
//!
//! Several results are held against the same original: what it gave is kept up to a limit, and what does not fit is computed
//! again.

use crate::data::{FeedSet, byte_len};
use crate::error::{Error, Result};
use crate::runtime::{RunError, RunValue, Session};
use std::borrow::Cow;

/// Opens a session of the original.
pub type Open<'a> = dyn Fn() -> Result<Box<dyn Session>> + 'a;

/// The outputs of an original over samples.
pub struct Answers<'a> {
    open: Box<Open<'a>>,
    session: Option<Box<dyn Session>>,
    names: Vec<String>,
    kept: Vec<Option<Vec<RunValue>>>,
    /// Bytes that may still be kept.
    left: u64,
}

impl<'a> Answers<'a> {
    /// Of a session that is opened when it is needed; at most so many bytes are kept.
    pub fn new(open: Box<Open<'a>>, memory_limit: u64) -> Self {
        Self { open, session: None, names: Vec::new(), kept: Vec::new(), left: memory_limit }
    }

    /// Names of the outputs, in the model's order.
    ///
    /// # Errors
    /// There are none, or the model cannot be opened.
    pub fn names(&mut self) -> Result<Vec<String>> {
        if self.names.is_empty() {
            self.names = self.session()?.outputs().to_vec();
        }
        match self.names.is_empty() {
            true => Err(Error::new("the model has no outputs")),
            false => Ok(self.names.clone()),
        }
    }

    /// The outputs of the sample at a place.
    ///
    /// # Errors
    /// The model cannot be opened, or does not run on it.
    pub fn of(&mut self, place: usize, feeds: &FeedSet) -> Result<Cow<'_, [RunValue]>> {
        if self.kept.len() <= place {
            self.kept.resize(place + 1, None);
        }
        if self.kept[place].is_none() {
            let names = self.names()?;
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let values = self.session()?.run(&feeds.as_feeds(), &names);
            let values = values.map_err(|e| failed(e, feeds))?;
            let bytes = values.iter().map(byte_len).fold(0, usize::saturating_add) as u64;
            let Some(left) = self.left.checked_sub(bytes) else { return Ok(Cow::Owned(values)) };
            self.left = left;
            self.kept[place] = Some(values);
        }
        Ok(Cow::Borrowed(self.kept[place].as_deref().unwrap_or_default()))
    }

    /// Gives back the memory of the session; it is opened anew where it is needed.
    pub fn close(&mut self) {
        self.session = None;
    }

    fn session(&mut self) -> Result<&mut Box<dyn Session>> {
        match &mut self.session {
            Some(session) => Ok(session),
            none => Ok(none.insert((self.open)()?)),
        }
    }
}

/// A run that failed, with the sample's name.
pub(super) fn failed(error: RunError, feeds: &FeedSet) -> Error {
    error.into_error().about(&format!("sample '{}'", feeds.label))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tensor::Tensor;
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Gives a vector of two numbers, and counts how often.
    struct Counted(Vec<String>, Arc<AtomicUsize>);

    impl Session for Counted {
        fn inputs(&self) -> &[String] {
            &[]
        }

        fn outputs(&self) -> &[String] {
            &self.0
        }

        fn run(&mut self, _: &[(&str, &RunValue)], outputs: &[&str]) -> Result<Vec<RunValue>, RunError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Ok(outputs.iter().map(|_| RunValue::Tensor(Tensor::vector(&[1f32, 2.0]))).collect())
        }
    }

    /// How often the original is opened and run where three results are held against it, over four samples.
    fn cost(limit: u64) -> (usize, usize) {
        let (opened, runs) = (Cell::new(0), Arc::new(AtomicUsize::new(0)));
        let open = || {
            opened.set(opened.get() + 1);
            Ok(Box::new(Counted(vec!["y".to_owned()], Arc::clone(&runs))) as Box<dyn Session>)
        };
        let mut answers = Answers::new(Box::new(open), limit);
        let feeds = FeedSet { label: "s".to_owned(), values: Vec::new() };
        for _ in 0..3 {
            assert_eq!(answers.names().unwrap(), ["y"]);
            for place in 0..4 {
                assert_eq!(answers.of(place, &feeds).unwrap().len(), 1);
            }
            answers.close();
        }
        drop(answers);
        (opened.get(), runs.load(Ordering::Relaxed))
    }

    #[test]
    fn what_fits_is_computed_once_and_the_rest_each_time() {
        assert_eq!(cost(4 * 8), (1, 4));
        assert_eq!(cost(3 * 8), (3, 4 + 1 + 1));
        assert_eq!(cost(0), (3, 12));
    }

    #[test]
    fn a_model_without_outputs_answers_nothing() {
        let open = || Ok(Box::new(Counted(Vec::new(), Arc::default())) as Box<dyn Session>);
        let error = Answers::new(Box::new(open), 0).names().unwrap_err();
        assert!(error.message().contains("no outputs"), "{error}");
    }
}
