//! What each target takes, as data.
