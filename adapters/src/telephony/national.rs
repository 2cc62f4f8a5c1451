//! Phone numbers in national form, as they are dialled within a country.

use std::fmt;
use std::str::FromStr;

use domain::phone::{E164, Party};
use phonenumber::country;
use phonenumber::metadata::DATABASE;

/// The country of a carrier connection that writes its numbers without the country code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Country(country::Id);

/// The text is not a country code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the two letters of a country (ISO 3166-1), like US")]
pub struct BadCountry;

impl FromStr for Country {
    type Err = BadCountry;

    fn from_str(text: &str) -> Result<Self, BadCountry> {
        let shaped = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
        let id: country::Id = shaped.then(|| text.parse().ok()).flatten().ok_or(BadCountry)?;
        DATABASE.by_id(text).map(|_| Self(id)).ok_or(BadCountry)
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Country {
    /// The party in E.164, if it is a number in the country's national form; otherwise unchanged.
    #[must_use]
    pub fn complete(self, party: Party) -> Party {
        match party.bare_digits().and_then(|digits| self.international(&digits)) {
            Some(number) => Party::new(number.as_str()),
            None => party,
        }
    }

    /// A number of the country in E.164, if the numbering plan allows it, whether it is assigned or not.
    fn international(self, digits: &str) -> Option<E164> {
        let number = phonenumber::parse(Some(self.0), digits).ok()?;
        let plan = DATABASE.by_id(self.0.as_ref())?;
        let text = number.format().mode(phonenumber::Mode::E164).to_string();
        let national = text.strip_prefix(&format!("+{}", plan.country_code()))?;
        let usual = [plan.descriptors().fixed_line(), plan.descriptors().mobile()].into_iter().flatten();
        let as_long = usual.filter_map(|kind| kind.example()).any(|example| example.len() == national.len());
        let general = plan.descriptors().general();
        (number.is_valid() || as_long && general.is_match(national)).then(|| text.parse().ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(country: &str, text: &str) -> String {
        country.parse::<Country>().unwrap().complete(Party::new(text)).as_str().to_owned()
    }

    #[test]
    fn a_number_as_it_is_dialled_within_its_country_is_completed() {
        for (country, text, number) in [
            ("US", "2025550123", "+12025550123"),
            ("US", "(202) 555-0123", "+12025550123"),
            ("US", "12025550123", "+12025550123"),
            ("US", "sip:2025550123@198.51.100.7;user=phone", "+12025550123"),
            ("CA", "6045550123", "+16045550123"),
            ("GB", "020 7946 0123", "+442079460123"),
            ("GB", "07700900123", "+447700900123"),
            ("DE", "030 123456", "+4930123456"),
            ("DE", "tel:0151-23456789", "+4915123456789"),
            ("FR", "0123456789", "+33123456789"),
            ("CN", "13812345678", "+8613812345678"),
            ("IT", "06 69812345", "+390669812345"),
        ] {
            assert_eq!(complete(country, text), number, "{country} {text}");
        }
    }

    #[test]
    fn what_says_its_country_or_is_no_number_of_this_one_stays_as_it_is() {
        for text in [
            "+442079460123",
            "00442079460123",
            "101",
            "5550123",
            "anonymous",
            "",
            "sip:desk@pbx.test",
            "999999999999999",
        ] {
            assert_eq!(complete("US", text), text);
        }
        assert_eq!(complete("US", "442079460123"), "442079460123");
    }

    #[test]
    fn a_country_is_two_letters_of_one_there_is() {
        for bad in ["", "us", "XX", "USA", "1", "001", "\u{e9}\u{e9}"] {
            assert_eq!(bad.parse::<Country>(), Err(BadCountry), "{bad}");
        }
    }
}
