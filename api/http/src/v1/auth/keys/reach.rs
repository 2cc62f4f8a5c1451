//! Nobody can create, change or take over a key that may do more than they may themselves.

use std::collections::BTreeSet;

use domain::ids::ApiKeyId;

use crate::auth::{Bounds, Principal, Scopes};
use crate::backend::Backend;
use crate::problem::{ApiError, Code, Fields};

/// Most scopes that one list may name.
const MOST: usize = 100;

/// Reads the scopes of a request; keeps each once, in the order given. Answers 422 and names every unknown scope.
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

/// Checks that `caller` may do all that a key with these scopes and bounds may.
/// Answers 403 `would_exceed_yours` otherwise.
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

/// Checks that `caller` may do all that the key may, and answers 403 `would_exceed_yours` otherwise. A key that
/// does not exist passes: the command answers for it.
pub(super) fn covers_key(backend: &Backend, caller: &Principal, id: ApiKeyId) -> Result<(), ApiError> {
    match backend.identity().key_of(caller.client, id) {
        Some((scopes, bounds)) => covers(caller, scopes, &bounds),
        None => Ok(()),
    }
}
