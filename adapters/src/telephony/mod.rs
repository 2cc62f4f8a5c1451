//! Carriers behind [`domain::ports::telephony::Telephony`], and a fake of each that speaks its protocol.

pub mod breaker;
pub mod national;
pub mod telnyx;
