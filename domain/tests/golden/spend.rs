//! Values of the events of spend limits.

use domain::ids::{AgentId, ApiKeyId, CallId};
use domain::spend::{
    Breach, CallAdmitted, CallCharged, CallForgone, Destinations, LimitKind, LimitReached, SpendGuardEvent,
    SpendLimits, SpendLimitsChanged, SpendLimitsEvent, SpendScope, TransferAdmitted,
};

use super::samples::{at, id, origin};

pub fn limits() -> Vec<SpendLimitsEvent> {
    let list = |text: &str| vec![text.parse().unwrap()];
    let after = SpendLimits {
        destinations: Destinations { allow: list("+1"), deny: list("+1900") },
        max_rate_per_minute: Some(500_000),
        daily_spend: Some(50_000_000),
        calls_per_minute: Some(30),
        calls_per_number: Some(5),
    };
    let (scope, before) = (SpendScope::Agent(AgentId(id(60))), SpendLimits::default());
    vec![SpendLimitsChanged { scope, before, after, origin: origin(), at: at(0) }.into()]
}

pub fn guard() -> Vec<SpendGuardEvent> {
    let (call, key, agent) = (CallId(id(61)), Some(ApiKeyId(id(62))), Some(AgentId(id(60))));
    let (scope, limit) = (SpendScope::Key(ApiKeyId(id(62))), LimitKind::DailySpend);
    let breach = Breach { scope, limit, allowed: 50_000_000, found: 49_990_000 };
    vec![
        CallAdmitted { call, key, agent, to: 701_033, estimate: 24_000, at: at(0) }.into(),
        CallForgone { call, at: at(3) }.into(),
        TransferAdmitted { effect: id(63), call, at: at(4) }.into(),
        CallCharged { call, agent, amount: 12_000, ended: at(5), at: at(1) }.into(),
        LimitReached { breach, key, agent, at: at(2) }.into(),
    ]
}
