//! A client: a tenant of the node.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::billing::{BillingTerms, BillingTermsPatch, MOST_CREDIT};
use crate::envelope::Time;
use crate::origin::Origin;
use crate::wire::events;

events! {
    pub enum ClientEvent {
        Created(ClientCreated) = "client.created" v 1,
        LimitsChanged(ClientLimitsChanged) = "client.limits_changed" v 1,
        Renamed(ClientRenamed) = "client.renamed" v 1,
        BillingChanged(ClientBillingChanged) = "client.billing_changed" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientCreated {
    /// The company's name, 1 to 200 characters.
    pub name: String,
    #[serde(with = "micros")]
    pub at: Time,
}

/// Limits of a client; `None` is the node's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientLimits {
    /// Requests a minute by all of its keys and users together, at least 1.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// Calls the client may place in a day of UTC. Inbound calls are not counted.
    #[serde(default)]
    pub calls_per_day: Option<u32>,
    /// Calls under way at a time, inbound and outbound. At the limit the client cannot place calls; inbound
    /// calls are still taken.
    #[serde(default)]
    pub concurrent_calls: Option<u32>,
    /// Bytes of call records and transcripts. At the limit the client cannot place calls; inbound
    /// calls are still taken.
    #[serde(default)]
    pub storage_bytes: Option<u64>,
}

/// Changes to a client's limits: `None` leaves a limit as it is, `Some(None)` lifts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientLimitsPatch {
    pub requests_per_minute: Option<Option<u32>>,
    pub calls_per_day: Option<Option<u32>>,
    pub concurrent_calls: Option<Option<u32>>,
    pub storage_bytes: Option<Option<u64>>,
}

impl ClientLimits {
    /// These limits with `patch` applied.
    #[must_use]
    pub fn patched(self, patch: ClientLimitsPatch) -> Self {
        Self {
            requests_per_minute: patch.requests_per_minute.unwrap_or(self.requests_per_minute),
            calls_per_day: patch.calls_per_day.unwrap_or(self.calls_per_day),
            concurrent_calls: patch.concurrent_calls.unwrap_or(self.concurrent_calls),
            storage_bytes: patch.storage_bytes.unwrap_or(self.storage_bytes),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientRenamed {
    pub before: String,
    pub after: String,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientLimitsChanged {
    pub before: ClientLimits,
    pub after: ClientLimits,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientBillingChanged {
    pub before: BillingTerms,
    pub after: BillingTerms,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone)]
pub enum ClientCommand {
    Create {
        /// 1 to 200 characters.
        name: String,
        now: Time,
    },
    Update {
        /// `None` leaves the name as it is.
        name: Option<String>,
        limits: ClientLimitsPatch,
        billing: BillingTermsPatch,
        origin: Origin,
        now: Time,
    },
}

/// Why the client refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientRefusal {
    #[error("the client exists already")]
    Exists,
    /// The name is empty or too long.
    #[error("a client's name has 1 to 200 characters")]
    Name,
    #[error("there is no such client")]
    Unknown,
    /// With a limit of zero requests nobody could even look.
    #[error("a client may send at least one request a minute")]
    NoRequests,
    #[error("a credit line is 0 to {MOST_CREDIT} millionths")]
    CreditLine,
}

/// State of a client, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct Client {
    created: bool,
    name: String,
    limits: ClientLimits,
    billing: BillingTerms,
}

impl Client {
    #[must_use]
    pub fn billing(&self) -> BillingTerms {
        self.billing
    }

    #[must_use]
    pub fn limits(&self) -> ClientLimits {
        self.limits
    }
}

impl Aggregate for Client {
    const CATEGORY: &'static str = crate::ids::ClientId::CATEGORY;
    type Command = ClientCommand;
    type Event = ClientEvent;
    type Refusal = ClientRefusal;

    fn decide(&self, command: &ClientCommand) -> Result<Vec<ClientEvent>, ClientRefusal> {
        match command {
            ClientCommand::Create { name, now } => {
                if self.created {
                    return Err(ClientRefusal::Exists);
                }
                check_name(name)?;
                Ok(vec![ClientCreated { name: name.clone(), at: *now }.into()])
            }
            ClientCommand::Update { name, limits, billing, origin, now } => {
                if !self.created {
                    return Err(ClientRefusal::Unknown);
                }
                let mut events = Vec::new();
                if let Some(after) = name {
                    check_name(after)?;
                    if *after != self.name {
                        let (before, after) = (self.name.clone(), after.clone());
                        events.push(ClientRenamed { before, after, origin: origin.clone(), at: *now }.into());
                    }
                }
                let after = self.limits.patched(*limits);
                if after.requests_per_minute == Some(0) {
                    return Err(ClientRefusal::NoRequests);
                }
                if after != self.limits {
                    let (before, origin) = (self.limits, origin.clone());
                    events.push(ClientLimitsChanged { before, after, origin, at: *now }.into());
                }
                let after = self.billing.patched(*billing);
                if !after.are_possible() {
                    return Err(ClientRefusal::CreditLine);
                }
                if after != self.billing {
                    let (before, origin) = (self.billing, origin.clone());
                    events.push(ClientBillingChanged { before, after, origin, at: *now }.into());
                }
                Ok(events)
            }
        }
    }

    fn evolve(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::Created(created) => {
                self.created = true;
                self.name.clone_from(&created.name);
            }
            ClientEvent::LimitsChanged(changed) => self.limits = changed.after,
            ClientEvent::Renamed(renamed) => self.name.clone_from(&renamed.after),
            ClientEvent::BillingChanged(changed) => self.billing = changed.after,
        }
    }
}

fn check_name(name: &str) -> Result<(), ClientRefusal> {
    match name.trim().is_empty() || name.chars().count() > 200 {
        true => Err(ClientRefusal::Name),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::calls::at;
    use crate::testing::scenario::scenario;

    fn create(name: &str) -> ClientCommand {
        ClientCommand::Create { name: name.to_owned(), now: at(1) }
    }

    #[test]
    fn a_client_is_created_once() {
        let created = ClientCreated { name: "Example Travel".to_owned(), at: at(1) };
        let there = scenario::<Client>().when(create("Example Travel")).then([created.into()]).and();
        there.when(create("Another")).then_refused(ClientRefusal::Exists);
    }

    #[test]
    fn a_client_has_a_name_of_1_to_200_characters() {
        for bad in ["", " \t", &"é".repeat(201)] {
            scenario::<Client>().when(create(bad)).then_refused(ClientRefusal::Name);
        }
        for good in ["x", &"é".repeat(200)] {
            scenario::<Client>().when(create(good)).then_types(["client.created"]);
        }
    }

    fn limit(limits: ClientLimitsPatch) -> ClientCommand {
        let billing = BillingTermsPatch::default();
        ClientCommand::Update { name: None, limits, billing, origin: Origin::default(), now: at(2) }
    }

    fn bill(billing: BillingTermsPatch) -> ClientCommand {
        let limits = ClientLimitsPatch::default();
        ClientCommand::Update { name: None, limits, billing, origin: Origin::default(), now: at(2) }
    }

    #[test]
    fn terms_of_credit_change_by_what_is_named_and_a_line_is_not_negative() {
        let prepaid = BillingTermsPatch { prepaid: Some(true), ..BillingTermsPatch::default() };
        let line =
            BillingTermsPatch { credit_line: Some(5), low_at: Some(Some(9)), ..BillingTermsPatch::default() };
        let there = scenario::<Client>().after([create("Example Travel")]);
        let there = there.when(bill(prepaid)).then_types(["client.billing_changed"]).and();
        let there = there.when(bill(line)).then_types(["client.billing_changed"]).and();
        let terms = BillingTerms { prepaid: true, credit_line: 5, low_at: Some(9) };
        assert_eq!(there.state().billing(), terms);
        there.clone().when(bill(line)).then_nothing();
        let negative = BillingTermsPatch { credit_line: Some(-1), ..BillingTermsPatch::default() };
        there.when(bill(negative)).then_refused(ClientRefusal::CreditLine);
    }

    fn rename(name: &str) -> ClientCommand {
        let limits = ClientLimitsPatch::default();
        let (name, billing) = (Some(name.to_owned()), BillingTermsPatch::default());
        ClientCommand::Update { name, limits, billing, origin: Origin::default(), now: at(2) }
    }

    #[test]
    fn a_limit_that_is_not_named_stays_and_the_same_ones_are_no_news() {
        let first = ClientLimits { calls_per_day: Some(100), ..ClientLimits::default() };
        let second = ClientLimits { concurrent_calls: Some(0), ..first };
        let third = ClientLimits { calls_per_day: None, ..second };
        let changed = |before, after| {
            ClientEvent::from(ClientLimitsChanged { before, after, origin: Origin::default(), at: at(2) })
        };
        let a_day = |most| ClientLimitsPatch { calls_per_day: Some(most), ..ClientLimitsPatch::default() };
        let at_once = ClientLimitsPatch { concurrent_calls: Some(Some(0)), ..ClientLimitsPatch::default() };
        let there = scenario::<Client>().after([create("Example Travel")]);
        let there = there.when(limit(a_day(Some(100)))).then([changed(ClientLimits::default(), first)]).and();
        let there = there.when(limit(at_once)).then([changed(first, second)]).and();
        let there = there.when(limit(a_day(None))).then([changed(second, third)]).and();
        there.when(limit(at_once)).then_nothing();
    }

    #[test]
    fn only_a_client_has_limits_and_it_may_always_send_a_request() {
        let none = ClientLimitsPatch { requests_per_minute: Some(Some(0)), ..ClientLimitsPatch::default() };
        scenario::<Client>().when(limit(ClientLimitsPatch::default())).then_refused(ClientRefusal::Unknown);
        let there = scenario::<Client>().after([create("Example Travel")]);
        there.when(limit(none)).then_refused(ClientRefusal::NoRequests);
    }

    #[test]
    fn a_client_gets_another_name_once() {
        let renamed = |before: &str, after: &str| {
            let (before, after) = (before.to_owned(), after.to_owned());
            ClientEvent::from(ClientRenamed { before, after, origin: Origin::default(), at: at(2) })
        };
        let there = scenario::<Client>().after([create("Example Travel")]);
        let there = there.when(rename("Another")).then([renamed("Example Travel", "Another")]).and();
        let there = there.when(rename("A Third")).then([renamed("Another", "A Third")]).and();
        there.when(rename("A Third")).then_nothing();
        let there = scenario::<Client>().after([create("Example Travel")]);
        there.when(rename(" ")).then_refused(ClientRefusal::Name);
    }
}
