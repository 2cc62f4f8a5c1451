//! The bytes of every event version ever released, which must read for ever.
//!
//! `golden/<event type>.v<schema>.msgpack` is the stored payload; the `.json` beside it is the same for people.
//! A new event type or schema gets its files by
//!
//! ```text
//! VOXLEDGER_GOLDEN=write cargo test -p domain --test golden
//! ```
//!
//! which writes what is missing and never touches bytes that are there. If this test says that the bytes of an
//! event changed, give the event its next schema number and a `From` the shape before: the log holds the old bytes.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "golden/billing.rs"]
mod billing;
#[path = "golden/customers.rs"]
mod customers;
#[path = "golden/ivr.rs"]
mod ivr;
#[path = "golden/knowledge.rs"]
mod knowledge;
#[path = "golden/matching.rs"]
mod matching;
#[path = "golden/msgpack.rs"]
mod msgpack;
#[path = "golden/samples.rs"]
mod samples;
#[path = "golden/spend.rs"]
mod spend;
#[path = "golden/talk.rs"]
mod talk;
#[path = "golden/webhooks.rs"]
mod webhooks;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::PathBuf;

use domain::agent::AgentEvent;
use domain::agent::sync::SyncEvent;
use domain::api_key::{ApiKeyEvent, KeyUsageEvent};
use domain::billing::account::CreditEvent;
use domain::billing::checkout::CheckoutEvent;
use domain::billing::matching::{MatchEvent, MatchScheduleEvent};
use domain::billing::payment::PaymentEvent;
use domain::billing::price_book::PriceBookEvent;
use domain::call::CallEvent;
use domain::carrier_event::CarrierInboxEvent;
use domain::client::ClientEvent;
use domain::conversation::ConversationEvent;
use domain::customer::CustomerEvent;
use domain::history::{ExportEvent, LogEvent};
use domain::hubspot::HubspotContactEvent;
use domain::ivr::menu::MenuEvent;
use domain::ivr::reference::MenuReferenceEvent;
use domain::ivr::session::SessionEvent;
use domain::knowledge::{DocumentEvent, KnowledgeBaseEvent};
use domain::leg::LegEvent;
use domain::login::LoginEvent;
use domain::memory::MemoryEvent;
use domain::number::NumberEvent;
use domain::privacy::job::PrivacyJobEvent;
use domain::privacy::policy::PolicyEvent;
use domain::privacy::subject_rule;
use domain::provider::ProviderEvent;
use domain::spend::{SpendGuardEvent, SpendLimitsEvent};
use domain::tool::ToolEvent;
use domain::unique_name::UniqueNameEvent;
use domain::upload::UploadEvent;
use domain::user::UserEvent;
use domain::webhook::delivery::DeliveryEvent;
use domain::webhook::endpoint::EndpointEvent;
use domain::wire::{DomainEvent, readable};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn writing() -> bool {
    std::env::var_os("VOXLEDGER_GOLDEN").is_some_and(|wish| wish == "write")
}

/// What every aggregate's events must prove.
trait Proof {
    fn prove<E: DomainEvent + Debug + PartialEq>(&mut self, samples: Vec<E>);
}

fn every_aggregate(proof: &mut impl Proof) {
    proof.prove::<CallEvent>(samples::call());
    proof.prove::<NumberEvent>(samples::number());
    proof.prove::<CustomerEvent>(customers::customer());
    proof.prove::<MemoryEvent>(customers::memory());
    proof.prove::<CreditEvent>(billing::credit());
    proof.prove::<PriceBookEvent>(billing::price_book());
    proof.prove::<CheckoutEvent>(billing::checkout());
    proof.prove::<PaymentEvent>(billing::payment());
    proof.prove::<SpendLimitsEvent>(spend::limits());
    proof.prove::<SpendGuardEvent>(spend::guard());
    proof.prove::<MatchEvent>(matching::day());
    proof.prove::<MatchScheduleEvent>(matching::schedule());
    proof.prove::<HubspotContactEvent>(customers::hubspot_contact());
    proof.prove::<MenuEvent>(ivr::menu());
    proof.prove::<SessionEvent>(ivr::session());
    proof.prove::<MenuReferenceEvent>(samples::menu_reference());
    proof.prove::<ClientEvent>(samples::client());
    proof.prove::<ApiKeyEvent>(samples::api_key());
    proof.prove::<KeyUsageEvent>(samples::key_usage());
    proof.prove::<UniqueNameEvent>(samples::claim());
    proof.prove::<ExportEvent>(samples::export());
    proof.prove::<LogEvent>(samples::log());
    proof.prove::<ProviderEvent>(samples::provider());
    proof.prove::<UserEvent>(samples::user());
    proof.prove::<LoginEvent>(samples::login());
    proof.prove::<EndpointEvent>(webhooks::endpoint());
    proof.prove::<DeliveryEvent>(webhooks::delivery());
    proof.prove::<AgentEvent>(talk::agent());
    proof.prove::<SyncEvent>(talk::agent_sync());
    proof.prove::<ToolEvent>(talk::tool());
    proof.prove::<UploadEvent>(samples::upload());
    proof.prove::<KnowledgeBaseEvent>(knowledge::base());
    proof.prove::<DocumentEvent>(knowledge::document());
    proof.prove::<ConversationEvent>(talk::conversation());
    proof.prove::<PrivacyJobEvent>(samples::privacy_job());
    proof.prove::<PolicyEvent>(samples::privacy_policy());
    proof.prove::<LegEvent>(samples::leg_bound());
    proof.prove::<CarrierInboxEvent>(samples::carrier_event());
}

fn file_of(event: &impl DomainEvent) -> PathBuf {
    folder().join(format!("{}.v{}.msgpack", event.event_type(), event.schema()))
}

fn golden_bytes(event: &impl DomainEvent) -> Vec<u8> {
    let path = file_of(event);
    if writing() && !path.exists() {
        std::fs::create_dir_all(folder()).unwrap();
        std::fs::write(&path, event.encode()).unwrap();
    }
    std::fs::read(&path).unwrap_or_else(|_| panic!("{} is missing: see the top of this test", path.display()))
}

#[test]
fn every_event_type_has_a_specimen() {
    struct Complete;
    impl Proof for Complete {
        fn prove<E: DomainEvent + Debug + PartialEq>(&mut self, samples: Vec<E>) {
            let shown: Vec<(&str, u16)> = samples.iter().map(|e| (e.event_type(), e.schema())).collect();
            assert_eq!(shown, E::TYPES);
        }
    }
    every_aggregate(&mut Complete);
}

#[test]
fn every_event_is_written_exactly_as_it_was_released() {
    struct Unchanged;
    impl Proof for Unchanged {
        fn prove<E: DomainEvent + Debug + PartialEq>(&mut self, samples: Vec<E>) {
            for event in samples {
                let golden = golden_bytes(&event);
                assert_eq!(event.encode(), golden, "the bytes of {} changed", event.event_type());
                let read = E::decode(event.event_type(), event.schema(), &golden);
                assert_eq!(read.as_ref(), Ok(&event));
            }
        }
    }
    every_aggregate(&mut Unchanged);
}

#[test]
fn every_golden_file_can_be_read_by_exactly_one_aggregate() {
    struct Readers<'a> {
        event_type: &'a str,
        schema: u16,
        bytes: &'a [u8],
        readers: usize,
    }
    impl Proof for Readers<'_> {
        fn prove<E: DomainEvent + Debug + PartialEq>(&mut self, _: Vec<E>) {
            self.readers += usize::from(E::decode(self.event_type, self.schema, self.bytes).is_ok());
        }
    }
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(stem) = name.strip_suffix(".msgpack") else { continue };
        let (event_type, schema) = stem.rsplit_once(".v").unwrap();
        let (schema, bytes) = (schema.parse().unwrap(), std::fs::read(&path).unwrap());
        let mut proof = Readers { event_type, schema, bytes: &bytes, readers: 0 };
        every_aggregate(&mut proof);
        assert_eq!(proof.readers, 1, "{name}");
        names.insert(name);
    }
    assert!(names.len() >= 38, "golden files may be added, never removed: {} are left", names.len());
}

#[test]
fn every_personal_field_of_every_event_belongs_to_somebody() {
    #[derive(Default)]
    struct Owned(BTreeSet<String>);
    impl Proof for Owned {
        fn prove<E: DomainEvent + Debug + PartialEq>(&mut self, samples: Vec<E>) {
            for event in samples {
                for field in msgpack::personal(&event.encode()) {
                    let name = format!("{} {field}", event.event_type());
                    assert!(
                        subject_rule(event.event_type(), &field).is_some(),
                        "say in `whose` whom {name} belongs to"
                    );
                    self.0.insert(name);
                }
            }
        }
    }
    let mut owned = Owned::default();
    every_aggregate(&mut owned);
    // what is written down here is met, so that a specimen that leaves it out does not hide it
    assert!(owned.0.len() >= 40, "{:?}", owned.0);
}

#[test]
fn a_field_of_a_later_version_is_passed_over() {
    struct Lenient;
    impl Proof for Lenient {
        fn prove<E: DomainEvent + Debug + PartialEq>(&mut self, samples: Vec<E>) {
            for event in samples {
                let bytes = golden_bytes(&event);
                let extra =
                    [b"\xa5later\x92\x01\xc0".as_slice(), b"\xa4more\x81\xa1x\xc4\x01\xff".as_slice()];
                let known = msgpack::entries(&bytes).into_iter().map(|(_, entry, _)| &bytes[entry]);
                let later = msgpack::map(extra.into_iter().chain(known));
                assert_eq!(E::decode(event.event_type(), event.schema(), &later).as_ref(), Ok(&event));
            }
        }
    }
    every_aggregate(&mut Lenient);
}

#[test]
fn a_field_that_is_not_known_may_be_left_out() {
    let mut left_out = 0;
    for event in samples::sparse_call() {
        let bytes = event.encode();
        let entries = msgpack::entries(&bytes);
        let (nil, rest): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(_, _, value)| bytes[value.clone()] == [0xc0]);
        let shorter = msgpack::map(rest.iter().map(|(_, entry, _)| &bytes[entry.clone()]));
        assert_eq!(CallEvent::decode(event.event_type(), event.schema(), &shorter).as_ref(), Ok(&event));
        left_out += nil.len();
        // and whatever is left is needed
        for (key, ..) in &rest {
            let others = rest.iter().filter(|(other, ..)| other != key);
            let torn = msgpack::map(others.map(|(_, entry, _)| &bytes[entry.clone()]));
            assert!(
                CallEvent::decode(event.event_type(), event.schema(), &torn).is_err(),
                "{} reads without {key}",
                event.event_type()
            );
        }
    }
    assert_eq!(left_out, 4 + 5 + 3 + 1 + 5 + 2 + 2 + 3);
}

#[test]
fn an_unknown_type_or_schema_is_an_error_not_a_guess() {
    for (event_type, schema) in [("call.answered", 0), ("call.answered", 99), ("call.teleported", 1)] {
        let error = CallEvent::decode(event_type, schema, &[0x80]).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("unknown event {event_type} with schema {schema}: run a version that knows it")
        );
    }
    for torn in [&[][..], &[0x80], &[0xc0], &[0x81, 0xa2, b'a', b't']] {
        assert!(CallEvent::decode("call.answered", 1, torn).is_err());
    }
}

#[test]
fn the_readable_twin_of_every_file_says_the_same() {
    struct Twins;
    impl Proof for Twins {
        fn prove<E: DomainEvent + Debug + PartialEq>(&mut self, samples: Vec<E>) {
            for event in samples {
                let value = readable(event.event_type(), &golden_bytes(&event)).unwrap();
                let path = file_of(&event).with_extension("json");
                if writing() {
                    let text = serde_json::to_string_pretty(&value).unwrap();
                    std::fs::write(&path, text + "\n").unwrap();
                }
                let twin = std::fs::read_to_string(&path)
                    .unwrap_or_else(|_| panic!("{} is missing: see the top of this test", path.display()));
                let twin: serde_json::Value = serde_json::from_str(&twin).unwrap();
                assert_eq!(twin, value, "{}", path.display());
            }
        }
    }
    every_aggregate(&mut Twins);
}
