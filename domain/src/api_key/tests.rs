use std::collections::BTreeMap;
use std::time::Duration;

use serde_bytes::ByteBuf;

use super::*;
use crate::origin::Origin;
use crate::testing::calls::at;
use crate::testing::scenario::{Scenario, scenario};

fn key(name: &str) -> ApiKeyCreated {
    ApiKeyCreated {
        name: name.to_owned(),
        key_prefix: "vx_AbCdEfG".to_owned(),
        key_hash: ByteBuf::from([7; 32]),
        scopes: vec!["calls:read".to_owned()],
        rate_limit: None,
        usage_quota: None,
        expires_at: None,
        origin: Origin::default(),
        at: at(1),
    }
}

fn create(key: ApiKeyCreated) -> ApiKeyCommand {
    ApiKeyCommand::Create(Box::new(key))
}

fn update(patch: KeyPatch) -> ApiKeyCommand {
    ApiKeyCommand::Update { patch, origin: Origin::default(), now: at(2) }
}

fn revoke() -> ApiKeyCommand {
    ApiKeyCommand::Revoke { origin: Origin::default(), now: at(3) }
}

fn delete() -> ApiKeyCommand {
    ApiKeyCommand::Delete { origin: Origin::default(), now: at(4) }
}

fn rotate(overlap: Duration) -> ApiKeyCommand {
    ApiKeyCommand::Rotate {
        key_prefix: "vx_Another".to_owned(),
        key_hash: ByteBuf::from([8; 32]),
        overlap,
        origin: Origin::default(),
        now: at(5),
    }
}

fn there() -> Scenario<ApiKey> {
    scenario::<ApiKey>().after([create(key("office"))])
}

#[test]
fn a_key_is_created_once_and_the_same_creation_again_is_no_news() {
    let there = scenario::<ApiKey>().when(create(key("office"))).then([key("office").into()]).and();
    there.clone().when(create(key("office"))).then_nothing();
    let another = ApiKeyCreated { key_hash: ByteBuf::from([9; 32]), ..key("office") };
    there.when(create(another)).then_refused(ApiKeyRefusal::Exists);
}

#[test]
fn a_key_has_sound_terms_from_the_start_and_after_every_change() {
    type Fault = fn(&mut ApiKeyCreated);
    let faults: [(Fault, ApiKeyRefusal); 6] = [
        (|key| key.name = " \t".to_owned(), ApiKeyRefusal::Name),
        (|key| key.name = "é".repeat(201), ApiKeyRefusal::Name),
        (|key| key.scopes.clear(), ApiKeyRefusal::Scopes),
        (|key| key.rate_limit = Some(0), ApiKeyRefusal::RateLimit),
        (|key| key.usage_quota = Some(0), ApiKeyRefusal::UsageQuota),
        (|key| key.expires_at = Some(at(1)), ApiKeyRefusal::Expiry),
    ];
    for (spoil, refusal) in faults {
        let mut bad = key("office");
        spoil(&mut bad);
        scenario::<ApiKey>().when(create(bad)).then_refused(refusal);
    }
    scenario::<ApiKey>().when(create(key(&"é".repeat(200)))).then_types(["api_key.created"]);
    let changes = [
        (KeyPatch { name: Some(String::new()), ..KeyPatch::default() }, ApiKeyRefusal::Name),
        (KeyPatch { scopes: Some(vec![]), ..KeyPatch::default() }, ApiKeyRefusal::Scopes),
        (KeyPatch { rate_limit: Some(Some(0)), ..KeyPatch::default() }, ApiKeyRefusal::RateLimit),
        (KeyPatch { usage_quota: Some(Some(0)), ..KeyPatch::default() }, ApiKeyRefusal::UsageQuota),
    ];
    for (patch, refusal) in changes {
        there().when(update(patch)).then_refused(refusal);
    }
}

#[test]
fn a_change_tells_what_held_before_and_no_change_is_no_news() {
    let patch = KeyPatch { rate_limit: Some(Some(60)), enabled: Some(false), ..KeyPatch::default() };
    let before = KeyTerms {
        name: "office".to_owned(),
        scopes: vec!["calls:read".to_owned()],
        rate_limit: None,
        usage_quota: None,
        enabled: true,
    };
    let after = KeyTerms { rate_limit: Some(60), enabled: false, ..before.clone() };
    let changed = there().when(update(patch.clone()));
    let changed =
        changed.then([ApiKeyUpdated { before, after, origin: Origin::default(), at: at(2) }.into()]);
    changed.and().when(update(patch)).then_nothing();
    there().when(update(KeyPatch::default())).then_nothing();
}

#[test]
fn a_rotation_lets_the_old_plain_text_go_on_for_a_while() {
    let rotated = there().when(rotate(Duration::from_secs(60)));
    let event = ApiKeyRotated {
        key_prefix: "vx_Another".to_owned(),
        key_hash: ByteBuf::from([8; 32]),
        old_valid_until: at(65),
        origin: Origin::default(),
        at: at(5),
    };
    rotated.then([event.into()]);
    there().when(rotate(MAX_OVERLAP)).then_types(["api_key.rotated"]);
    there().when(rotate(MAX_OVERLAP + Duration::from_secs(1))).then_refused(ApiKeyRefusal::Overlap);
}

#[test]
fn a_revoked_key_never_comes_back_and_can_still_be_deleted() {
    let revoked = there().when(revoke()).then_types(["api_key.revoked"]).and();
    revoked.clone().when(revoke()).then_nothing();
    let enable = KeyPatch { enabled: Some(true), ..KeyPatch::default() };
    revoked.clone().when(update(enable)).then_refused(ApiKeyRefusal::Revoked);
    revoked.clone().when(rotate(Duration::ZERO)).then_refused(ApiKeyRefusal::Revoked);
    revoked.when(delete()).then_types(["api_key.deleted"]);
}

#[test]
fn a_key_that_is_gone_or_never_was_does_nothing() {
    let gone = there().after([delete()]);
    for nothing in [scenario::<ApiKey>(), gone] {
        for command in [update(KeyPatch::default()), rotate(Duration::ZERO), revoke(), delete()] {
            nothing.clone().when(command).then_refused(ApiKeyRefusal::Unknown);
        }
    }
}

#[test]
fn use_is_noted_and_nothing_is_not() {
    let used = ApiKeyUsed {
        count: 3,
        by_endpoint: BTreeMap::from([("GET /api/v1/calls".to_owned(), 3)]),
        last_used_at: at(8),
        at: at(9),
    };
    scenario::<KeyUsage>().when(used.clone()).then([used.clone().into()]);
    scenario::<KeyUsage>().when(ApiKeyUsed { count: 0, ..used }).then_nothing();
}
