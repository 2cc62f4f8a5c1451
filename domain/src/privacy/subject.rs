//! Those whom personal data belongs to.

use std::fmt;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use crate::envelope::StreamId;
use crate::ids::SubjectId;
use crate::phone::Party;

/// Someone, or something, that personal values belong to. Each has a key of its own within a client.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// The owner of this number or SIP address, in normal form.
    Party(String),
    /// A user who signs in.
    User(Uuid),
    /// The user of this API key.
    ApiKey(Uuid),
    /// A customer, by the client's own name of them.
    Customer(String),
    /// No person is known: the stream itself.
    Stream(StreamId),
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl Subject {
    /// The subject of a party that is a number or a SIP address. Free text (`anonymous`) names nobody.
    #[must_use]
    pub fn of_party(text: &str) -> Option<Self> {
        let party = Party::new(text);
        match party.number() {
            Some(number) => Some(Self::Party(number.as_str().to_owned())),
            None if Party::new(&party.normal()).is_dialable() => Some(Self::Party(party.normal())),
            None => None,
        }
    }

    /// The subject of a client's own name for a person. A name that is a number or a SIP address means its owner.
    #[must_use]
    pub fn of_customer(name: &str) -> Self {
        Self::of_party(name).unwrap_or_else(|| Self::Customer(name.to_owned()))
    }

    /// What kind of subject it is.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Party(_) => "party",
            Self::User(_) => "user",
            Self::ApiKey(_) => "api_key",
            Self::Customer(_) => "customer",
            Self::Stream(_) => "stream",
        }
    }

    /// Stands for the subject where it must not be recognised: a keyed hash, because all numbers could be tried
    /// against a plain one. The same within a client, another one in every other client.
    #[must_use]
    pub fn pseudonym(&self, key: &[u8; 32]) -> SubjectId {
        // HMAC takes a key of any length, so this cannot fail
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return SubjectId(Uuid::nil()) };
        mac.update(self.kind().as_bytes());
        mac.update(b"\0");
        match self {
            Self::Party(text) | Self::Customer(text) => mac.update(text.as_bytes()),
            Self::User(id) | Self::ApiKey(id) => mac.update(id.as_bytes()),
            Self::Stream(stream) => mac.update(stream.as_str().as_bytes()),
        }
        let mut digest: [u8; 32] = mac.finalize().into_bytes().into();
        digest[15] = digest[15] & !1 | u8::from(matches!(self, Self::Stream(_)));
        SubjectId(Uuid::new_v8(std::array::from_fn(|at| digest[at])))
    }
}

impl SubjectId {
    /// Whether it stands for a stream and not for a person: the last bit of the pseudonym.
    #[must_use]
    pub fn is_stream(self) -> bool {
        self.0.as_bytes()[15] & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_or_a_sip_address_is_a_subject_and_free_text_is_none() {
        let number = Subject::of_party("+12025550123").unwrap();
        assert_eq!(number, Subject::Party("+12025550123".to_owned()));
        assert_eq!(Subject::of_party("sip:Desk@PBX.test"), Subject::of_party("sip:desk@pbx.test"));
        assert_eq!(Subject::of_party("anonymous"), None);
        for form in ["12025550123", "+12025550123 ", "sip:+12025550123@pbx.test", "tel:+1-202-555-0123"] {
            assert_eq!(Subject::of_party(form), Some(number.clone()), "one person in every form");
        }
        assert_eq!(format!("{number:?}"), "party", "a number is not shown");
        assert_eq!(Subject::of_customer("+12025550123"), number);
        assert_eq!(Subject::of_customer("c-4711"), Subject::Customer("c-4711".to_owned()));
    }

    #[test]
    fn a_pseudonym_depends_on_the_kind_the_value_and_the_clients_key() {
        let (one, other) = ([1; 32], [2; 32]);
        let phone = Subject::Party("7".to_owned());
        assert_eq!(phone.pseudonym(&one), phone.clone().pseudonym(&one));
        assert_ne!(phone.pseudonym(&one), phone.pseudonym(&other));
        assert_ne!(phone.pseudonym(&one), Subject::Customer("7".to_owned()).pseudonym(&one));
        assert_ne!(phone.pseudonym(&one), Subject::Party("8".to_owned()).pseudonym(&one));
    }
}
