//! Currencies of ISO 4217, and how payment providers count them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A currency of ISO 4217 that circulates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// The text is not a currency of ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a currency of ISO 4217: give three capital letters, such as USD")]
pub struct UnknownCurrency;

const KNOWN: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD \
    CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD \
    HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD \
    MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG \
    QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD \
    TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG";
/// Currencies that payment providers count in whole units.
const WHOLE: &str = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF";
/// Currencies that payment providers count in thousandths.
const THOUSANDTHS: &str = "BHD JOD KWD OMR TND";

impl Currency {
    /// The United States dollar.
    pub const USD: Self = Self(*b"USD");

    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("USD")
    }

    /// Millionths in the smallest unit that payment providers count: 10 000 for the cents of a dollar.
    #[must_use]
    pub fn micros_of_minor_unit(self) -> i64 {
        let is_in = |list: &str| list.split_ascii_whitespace().any(|code| code == self.as_str());
        if is_in(WHOLE) {
            1_000_000
        } else if is_in(THOUSANDTHS) {
            1_000
        } else {
            10_000
        }
    }

    /// Millionths of so many of the smallest units; `None` when that does not fit.
    #[must_use]
    pub fn micros_of(self, minor_units: i64) -> Option<i64> {
        minor_units.checked_mul(self.micros_of_minor_unit())
    }

    /// The smallest units of so many millionths; `None` when they are no whole number of them.
    #[must_use]
    pub fn minor_units_of(self, micros: i64) -> Option<i64> {
        let unit = self.micros_of_minor_unit();
        (micros % unit == 0).then_some(micros / unit)
    }
}

impl FromStr for Currency {
    type Err = UnknownCurrency;

    fn from_str(text: &str) -> Result<Self, UnknownCurrency> {
        let known = text.len() == 3 && KNOWN.split_ascii_whitespace().any(|code| code == text);
        let letters: Option<[u8; 3]> = text.as_bytes().try_into().ok().filter(|_| known);
        letters.map(Self).ok_or(UnknownCurrency)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_currency_is_one_that_circulates() {
        assert_eq!("USD".parse(), Ok(Currency::USD));
        for bad in ["", "usd", "US", "USDT", "XTS", "€", "AA A"] {
            assert_eq!(bad.parse::<Currency>(), Err(UnknownCurrency), "{bad}");
        }
        assert!(KNOWN.split_ascii_whitespace().all(|code| code.parse::<Currency>().is_ok()));
    }

    #[test]
    fn the_smallest_unit_is_not_always_a_hundredth() {
        for (code, minor, micros) in
            [("USD", 1_234, 12_340_000), ("JPY", 500, 500_000_000), ("KWD", 5, 5_000)]
        {
            let currency: Currency = code.parse().unwrap();
            assert_eq!(currency.micros_of(minor), Some(micros), "{code}");
            assert_eq!(currency.minor_units_of(micros), Some(minor), "{code}");
            assert_eq!(currency.minor_units_of(micros + 1), None, "{code}");
        }
        assert_eq!(Currency::USD.micros_of(i64::MAX), None);
    }
}
