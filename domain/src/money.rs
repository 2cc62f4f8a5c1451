//! Money in integer micro-units, never a float.

use serde::{Deserialize, Serialize};

/// An amount in millionths of a currency's unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Millionths: 12 500 is 0.0125.
    pub amount_micros: i64,
    /// ISO 4217, three capital letters.
    pub currency: String,
}

/// The text is not an amount that can be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal amount in millionths")]
pub struct BadAmount;

/// Reads a decimal amount such as `0.0144` into millionths; digits past the sixth are rounded half away from zero.
/// Fails when the text is not `[-]digits[.digits]` or does not fit.
pub fn micros_from_decimal(text: &str) -> Result<i64, BadAmount> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || digits.ends_with('.') {
        return Err(BadAmount);
    }
    let mut micros: i64 =
        whole.parse::<i64>().ok().and_then(|n| n.checked_mul(1_000_000)).ok_or(BadAmount)?;
    let padded = format!("{fraction:0<7}");
    let small: i64 = padded[..6].parse().map_err(|_| BadAmount)?;
    micros = micros.checked_add(small + i64::from(padded.as_bytes()[6] >= b'5')).ok_or(BadAmount)?;
    Ok(if negative { -micros } else { micros })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_becomes_millionths() {
        for (text, micros) in
            [("0.0144", 14_400), ("12", 12_000_000), ("-0.5", -500_000), ("0.0000005", 1), ("0.0000004", 0)]
        {
            assert_eq!(micros_from_decimal(text), Ok(micros), "{text}");
        }
        for bad in ["", ".", "1.", ".5", "1e3", "0x1", "99999999999999999999", "1.2.3", "+1"] {
            assert_eq!(micros_from_decimal(bad), Err(BadAmount), "{bad}");
        }
    }
}
