//! Every adapter against its port, one test binary.

mod event_store;
mod telnyx;
