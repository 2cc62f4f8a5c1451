//! Carriers behind [`domain::ports::telephony::Telephony`], and a fake of each that speaks its protocol.

pub mod breaker;
pub mod fake_telnyx;
pub mod national;
pub mod telnyx;
