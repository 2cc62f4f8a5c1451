//! Every conformance suite against every adapter of its port.

mod event_store;
