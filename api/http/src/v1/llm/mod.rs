//! REST endpoints of language model providers.

pub(super) mod providers;
