//! Every adapter against its port, one test binary.

#[cfg(test)]
mod event_store;
#[cfg(test)]
mod telnyx;
