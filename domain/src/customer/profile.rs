//! What is known of a customer, its bounds, and how two of them become one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::call::{CallMetadata, metadata_faults};
use crate::personal::Personal;
use crate::phone::E164;
use crate::user::normal_email;

/// Most phone numbers of a customer.
pub const MAX_PHONES: usize = 10;
/// Most e-mail addresses of a customer.
pub const MAX_EMAILS: usize = 10;
/// The longest name and the longest external id, in characters.
pub const MAX_NAME: usize = 200;
/// The longest language tag, in bytes (RFC 5646 §4.4.1).
pub const MAX_LANGUAGE: usize = 35;

/// An e-mail address, trimmed and in lower case; see [`normal_email`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

/// The text is not an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address, such as ann@example.com")]
pub struct NotAnEmail;

impl Email {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = NotAnEmail;

    fn from_str(text: &str) -> Result<Self, NotAnEmail> {
        normal_email(text).map(Self).ok_or(NotAnEmail)
    }
}

impl TryFrom<String> for Email {
    type Error = NotAnEmail;

    fn try_from(text: String) -> Result<Self, NotAnEmail> {
        text.parse()
    }
}

impl From<Email> for String {
    fn from(email: Email) -> String {
        email.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// What is known of a customer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The client's own name of the customer, unique within the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<Personal<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Personal<String>>,
    /// At most [`MAX_PHONES`], the preferred one first. Others may have the same number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phones: Vec<Personal<E164>>,
    /// At most [`MAX_EMAILS`], the preferred one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<Personal<Email>>,
    /// Language tag (BCP 47), such as `en-GB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Time zone of the IANA database, such as `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The client's own data, with the bounds of a call's metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Personal<CallMetadata>>,
}

/// A field that is out of bounds, and what would be right.
pub type ProfileFault = (&'static str, &'static str);

impl Profile {
    /// The client's own name of the customer, unless it is erased.
    #[must_use]
    pub fn external(&self) -> Option<&str> {
        self.external_id.as_ref()?.reveal().map(String::as_str)
    }

    /// Numbers that are not erased.
    pub fn known_phones(&self) -> impl Iterator<Item = &E164> {
        self.phones.iter().filter_map(Personal::reveal)
    }

    /// Addresses that are not erased.
    pub fn known_emails(&self) -> impl Iterator<Item = &Email> {
        self.emails.iter().filter_map(Personal::reveal)
    }

    /// Fails with the first field that is out of bounds. The caller checks that there is such a time zone.
    pub fn check(&self) -> Result<(), ProfileFault> {
        let named = |text: &Option<Personal<String>>| {
            text.as_ref().and_then(Personal::reveal).is_none_or(|text| is_name(text))
        };
        if !named(&self.external_id) {
            return Err(("external_id", "must have 1 to 200 characters, none of them a control character"));
        }
        if !named(&self.name) {
            return Err(("name", "must have 1 to 200 characters, none of them a control character"));
        }
        if self.phones.len() > MAX_PHONES {
            return Err(("phones", "must be at most 10 numbers"));
        }
        if self.emails.len() > MAX_EMAILS {
            return Err(("emails", "must be at most 10 addresses"));
        }
        if self.language.as_deref().is_some_and(|tag| !is_language(tag)) {
            return Err(("language", "must be a language tag like en or pt-BR"));
        }
        if self.timezone.as_ref().is_some_and(|zone| zone.is_empty() || zone.len() > 64) {
            return Err(("timezone", "must be a time zone like Europe/Berlin"));
        }
        let metadata = self.metadata.as_ref().and_then(Personal::reveal);
        match metadata.and_then(|metadata| metadata_faults(metadata).into_iter().next()) {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }

    /// The fields in which the two differ.
    pub(super) fn differing(&self, other: &Self) -> Vec<String> {
        let fields = [
            ("external_id", self.external_id == other.external_id),
            ("name", self.name == other.name),
            ("phones", self.phones == other.phones),
            ("emails", self.emails == other.emails),
            ("language", self.language == other.language),
            ("timezone", self.timezone == other.timezone),
            ("metadata", self.metadata == other.metadata),
        ];
        fields.into_iter().filter(|(_, same)| !same).map(|(name, _)| name.to_owned()).collect()
    }

    /// What this profile has not and the other has. Its external id is the other's in any case.
    pub(super) fn lacks_of(&self, other: &Self) -> Self {
        let mut metadata = other.metadata.as_ref().and_then(Personal::reveal).cloned().unwrap_or_default();
        if let Some(own) = self.metadata.as_ref().and_then(Personal::reveal) {
            metadata.retain(|name, _| !own.contains_key(name));
        }
        Self {
            external_id: other.external_id.clone(),
            name: other.name.clone().filter(|name| self.name.is_none() && name.reveal().is_some()),
            phones: lacking(&self.phones, &other.phones),
            emails: lacking(&self.emails, &other.emails),
            language: other.language.clone().filter(|_| self.language.is_none()),
            timezone: other.timezone.clone().filter(|_| self.timezone.is_none()),
            metadata: (!metadata.is_empty()).then(|| metadata.into()),
        }
    }

    /// The profile with what it lacked.
    pub(super) fn with(&self, gained: &Self) -> Self {
        let mut profile = self.clone();
        profile.external_id = profile.external_id.or_else(|| gained.external_id.clone());
        profile.name = profile.name.or_else(|| gained.name.clone());
        profile.phones.extend(gained.phones.iter().cloned());
        profile.emails.extend(gained.emails.iter().cloned());
        profile.language = profile.language.or_else(|| gained.language.clone());
        profile.timezone = profile.timezone.or_else(|| gained.timezone.clone());
        if let Some(more) = gained.metadata.as_ref().and_then(Personal::reveal) {
            let own = profile.metadata.as_ref().and_then(Personal::reveal).cloned();
            let mut metadata = more.clone();
            metadata.extend(own.unwrap_or_default());
            profile.metadata = Some(metadata.into());
        }
        profile
    }

    /// The profile without what it gained, where it still has that unchanged.
    pub(super) fn without(&self, gained: &Self) -> Self {
        fn unless<T: PartialEq + Clone>(own: &Option<T>, gained: &Option<T>) -> Option<T> {
            own.clone().filter(|own| gained.as_ref() != Some(own))
        }
        let mut metadata = self.metadata.as_ref().and_then(Personal::reveal).cloned().unwrap_or_default();
        if let Some(more) = gained.metadata.as_ref().and_then(Personal::reveal) {
            metadata.retain(|name, value| more.get(name) != Some(value));
        }
        Self {
            external_id: unless(&self.external_id, &gained.external_id),
            name: unless(&self.name, &gained.name),
            phones: lacking(&gained.phones, &self.phones),
            emails: lacking(&gained.emails, &self.emails),
            language: unless(&self.language, &gained.language),
            timezone: unless(&self.timezone, &gained.timezone),
            metadata: (!metadata.is_empty()).then(|| metadata.into()),
        }
    }
}

/// The readable values of `theirs` that are not among `own`.
fn lacking<T: PartialEq + Clone>(own: &[Personal<T>], theirs: &[Personal<T>]) -> Vec<Personal<T>> {
    theirs.iter().filter(|value| value.reveal().is_some() && !own.contains(value)).cloned().collect()
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Whether the text is formed like a language tag: subtags of 1 to 8 letters and digits, the first of letters.
fn is_language(tag: &str) -> bool {
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let first = tag.split('-').next().unwrap_or_default();
    tag.len() <= MAX_LANGUAGE
        && (2..=8).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && tag.split('-').all(part)
}

/// Changes to a profile; `None` leaves a field as it is, `Some(None)` removes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProfilePatch {
    pub external_id: Option<Option<String>>,
    pub name: Option<Option<String>>,
    /// The new numbers, in place of all earlier ones.
    pub phones: Option<Vec<E164>>,
    /// The new addresses, in place of all earlier ones.
    pub emails: Option<Vec<Email>>,
    pub language: Option<Option<String>>,
    pub timezone: Option<Option<String>>,
    /// The new entries, in place of all earlier ones.
    pub metadata: Option<CallMetadata>,
}

impl ProfilePatch {
    /// The profile after the changes.
    #[must_use]
    pub fn on(&self, profile: &Profile) -> Profile {
        let mut after = profile.clone();
        if let Some(external_id) = &self.external_id {
            after.external_id = external_id.clone().map(Into::into);
        }
        if let Some(name) = &self.name {
            after.name = name.clone().map(Into::into);
        }
        if let Some(phones) = &self.phones {
            after.phones = distinct(phones);
        }
        if let Some(emails) = &self.emails {
            after.emails = distinct(emails);
        }
        if let Some(language) = &self.language {
            after.language.clone_from(language);
        }
        if let Some(timezone) = &self.timezone {
            after.timezone.clone_from(timezone);
        }
        if let Some(metadata) = &self.metadata {
            after.metadata = (!metadata.is_empty()).then(|| metadata.clone().into());
        }
        after
    }
}

fn distinct<T: PartialEq + Clone>(values: &[T]) -> Vec<Personal<T>> {
    let mut kept: Vec<Personal<T>> = Vec::with_capacity(values.len());
    for value in values {
        if !kept.iter().any(|one| one.reveal() == Some(value)) {
            kept.push(value.clone().into());
        }
    }
    kept
}
