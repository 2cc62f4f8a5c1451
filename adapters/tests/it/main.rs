//! Every adapter against its port, one test binary.

#[cfg(test)]
mod telnyx;
