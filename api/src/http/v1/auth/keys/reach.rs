//! Nobody makes, changes or takes over a key that may do more than they may themselves.

use std::collections::BTreeSet;

use domain::ids::ApiKeyId;

use crate::http::auth::{Bounds, Principal, Scopes};
use crate::node::Backend;
use crate::problem::{ApiError, Code, Fields};

/// Scopes that one list may name.
const MOST: usize = 100;

/// Reads the scopes of a request, each of which is kept once, in the order given.
///
/// # Errors
/// 422 that names the one that is none.
pub(super) fn scopes(texts: &mut Vec<String>) -> Result<Scopes, ApiError> {
    let mut fields = Fields::default();
    if texts.len() > MOST {
        return Err(ApiError::invalid("scopes", "too_many", format!("give at most {MOST}")));
    }
    for (at, text) in texts.iter().enumerate() {
        if Scopes::parse(std::slice::from_ref(text)).is_err() {
            let detail = "there is no such scope: give `<resource>:read`, `<resource>:write` or `*`";
            fields.fault(format!("scopes[{at}]"), "unknown", detail);
        }
    }
    fields.finish()?;
    let mut seen = BTreeSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    Ok(Scopes::parse_known(texts))
}

/// Makes sure that `caller` may do all that a key of these terms may.
///
/// # Errors
/// 403 `would_exceed_yours`.
pub(super) fn covers(caller: &Principal, scopes: Scopes, bounds: &Bounds) -> Result<(), ApiError> {
    let detail = if !caller.scopes.cover(scopes) {
        "the key has a scope that you lack"
    } else if !caller.bounds().cover(bounds) {
        "the key has a higher limit or quota, or a later end, than yours"
    } else {
        return Ok(());
    };
    Err(ApiError::new(Code::WouldExceedYours, detail))
}

/// Makes sure that `caller` may do all that the key may. One that does not exist is left to the rules.
///
/// # Errors
/// 403 `would_exceed_yours`.
pub(super) fn covers_key(backend: &Backend, caller: &Principal, id: ApiKeyId) -> Result<(), ApiError> {
    match backend.identity().key_of(caller.client, id) {
        Some((scopes, bounds)) => covers(caller, scopes, &bounds),
        None => Ok(()),
    }
}
