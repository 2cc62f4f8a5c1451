//! Fields of a customer as requests give them.

use domain::customer::{Email, MAX_EMAILS, MAX_PHONES};
use domain::ids::ClientId;
use domain::phone::{E164, Party};

use crate::backend::Backend;
use crate::problem::{ApiError, Fields};

/// Longest text that is looked at as a number or an address, in bytes.
const MAX_TEXT: usize = 256;

/// A number in E.164, however it is written: with spaces, with `00`, or as it is dialled in the country of the client's
/// carrier account. `None` when it is no number.
pub(super) async fn number(
    backend: &Backend,
    client: ClientId,
    text: &str,
) -> Result<Option<E164>, ApiError> {
    if text.len() > MAX_TEXT {
        return Ok(None);
    }
    let party = Party::new(text.trim());
    if let Some(number) = party.number() {
        return Ok(Some(number));
    }
    let party = backend.carriers.complete(client, party).await.map_err(ApiError::unavailable)?;
    Ok(party.number())
}

/// Numbers in E.164, with a fault for each that is none.
pub(super) async fn phones(
    backend: &Backend,
    client: ClientId,
    texts: &[String],
    fields: &mut Fields,
) -> Result<Vec<E164>, ApiError> {
    let mut phones = Vec::with_capacity(texts.len().min(MAX_PHONES));
    if texts.len() > MAX_PHONES {
        fields.fault("phones", "invalid", "must be at most 10 numbers");
        return Ok(phones);
    }
    for (at, text) in texts.iter().enumerate() {
        match number(backend, client, text).await? {
            Some(number) => phones.push(number),
            None => fields.fault(
                format!("phones[{at}]"),
                "invalid",
                "not a phone number: write it with its country code, like +12025550123",
            ),
        }
    }
    Ok(phones)
}

/// E-mail addresses in normal form, with a fault for each that is none.
pub(super) fn emails(texts: &[String], fields: &mut Fields) -> Vec<Email> {
    if texts.len() > MAX_EMAILS {
        fields.fault("emails", "invalid", "must be at most 10 addresses");
        return Vec::new();
    }
    let email = |(at, text): (usize, &String)| fields.keep(&format!("emails[{at}]"), text.parse());
    texts.iter().enumerate().filter_map(email).collect()
}

/// Notes a fault when there is no such time zone.
pub(super) fn timezone(backend: &Backend, name: Option<&str>, fields: &mut Fields) {
    if name.is_some_and(|name| backend.menus.zones().find(name).is_none()) {
        fields.fault("timezone", "invalid", "must be a time zone of the IANA database, like Europe/Berlin");
    }
}
