//! The `voxledger` binary.
fn main() {}
