//! Every adapter against its port, one test binary.

mod telnyx;
