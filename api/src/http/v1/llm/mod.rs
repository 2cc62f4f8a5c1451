//! Providers of language models.

pub(super) mod providers;
