//! Recipe to ordered passes to outcome: the only module that knows all passes.
