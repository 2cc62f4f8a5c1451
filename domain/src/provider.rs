//! A client's account with a provider: the credentials for its calls, models and voices.

use std::collections::BTreeMap;

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::envelope::{StreamId, Time};
use crate::ids::{AccountId, ClientId, derive};
use crate::origin::Origin;
use crate::ports::vault::Sealed;
use crate::web_origin::same_web_origin;
use crate::wire::events;

/// What a provider is for. A client has one account of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// Text to speech, for agents' voices.
    Tts,
    /// Speech to text, for what callers say.
    Stt,
    Llm,
    Telephony,
    Embeddings,
    /// A system that keeps the client's customers.
    Crm,
    /// A hosted voice runtime, which talks on calls by itself.
    Runtime,
}

impl ProviderKind {
    pub const ALL: [ProviderKind; 7] =
        [Self::Tts, Self::Stt, Self::Llm, Self::Telephony, Self::Embeddings, Self::Crm, Self::Runtime];

    /// Name on the wire and in views.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tts => "tts",
            Self::Stt => "stt",
            Self::Llm => "llm",
            Self::Telephony => "telephony",
            Self::Embeddings => "embeddings",
            Self::Crm => "crm",
            Self::Runtime => "runtime",
        }
    }

    /// The kind of which [`ProviderKind::as_str`] is `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// The id of a client's account of a kind: always the same.
#[must_use]
pub fn account_id(client: ClientId, kind: ProviderKind) -> AccountId {
    AccountId(derive(client.0, kind.as_str()))
}

/// The stream of a client's account of a kind.
#[must_use]
pub fn account_stream(client: ClientId, kind: ProviderKind) -> StreamId {
    account_id(client, kind).stream()
}

events! {
    pub enum ProviderEvent {
        /// The client's account is used from now on.
        Configured(ProviderConfigured) = "provider.configured" v 1,
        /// The node's own account is used again.
        Removed(ProviderRemoved) = "provider.removed" v 1,
    }
}

/// The part of an account that may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountTerms {
    /// Name of the provider: `telnyx`, `groq`, ….
    pub provider: String,
    /// The last 4 characters of its key, to recognise it by.
    pub key_last4: String,
    /// Settings of the provider, for example `base_url`.
    pub settings: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderConfigured {
    pub kind: ProviderKind,
    /// `None` if there was no account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<AccountTerms>,
    pub after: AccountTerms,
    /// The key, sealed by the vault.
    pub api_key: Sealed,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderRemoved {
    pub kind: ProviderKind,
    pub before: AccountTerms,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone)]
pub enum ProviderCommand {
    /// Uses this account from now on; `None` keeps what there is.
    Configure {
        kind: ProviderKind,
        /// 1 to 40 of `a-z`, `0-9` and `_`.
        provider: Option<String>,
        /// The key, sealed, and its last 4 characters.
        api_key: Option<(Sealed, String)>,
        /// At most 20 entries, with names of 64 and values of 500 characters.
        settings: Option<BTreeMap<String, String>>,
        origin: Origin,
        now: Time,
    },
    /// Uses the node's own account again.
    Remove { kind: ProviderKind, origin: Origin, now: Time },
}

/// Why the account refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderRefusal {
    #[error("no such account is configured")]
    Unknown,
    /// The name of the provider is malformed.
    #[error("a provider is named by 1 to 40 of a-z, 0-9 and _")]
    Provider,
    /// The first account, another provider or another server comes without a key.
    #[error("give the API key: one is kept only for the provider and the server it was given for")]
    ApiKey,
    /// Too many settings, or too long ones.
    #[error("there are at most 20 settings, names of 64 and values of 500 characters")]
    Settings,
}

/// State of a provider account, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct ProviderAccount {
    current: Option<(AccountTerms, Sealed)>,
}

impl ProviderAccount {
    /// The account to use, if the client has one.
    #[must_use]
    pub fn current(&self) -> Option<(&AccountTerms, &Sealed)> {
        self.current.as_ref().map(|(terms, key)| (terms, key))
    }
}

fn is_name(name: &str) -> bool {
    let right = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    (1..=40).contains(&name.len()) && name.chars().all(right)
}

fn are_settings(settings: &BTreeMap<String, String>) -> bool {
    let right = |(name, value): (&String, &String)| {
        !name.is_empty() && name.chars().count() <= 64 && value.chars().count() <= 500
    };
    settings.len() <= 20 && settings.iter().all(right)
}

/// Whether the URLs among settings, such as `base_url`, lead to the same servers. A URL that was added
/// or removed does not.
fn same_servers(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> bool {
    let urls = |settings: &BTreeMap<String, String>| -> BTreeMap<String, String> {
        let is_url = |(name, value): &(&String, &String)| value.contains("://") || name.ends_with("_url");
        settings.iter().filter(is_url).map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let (before, after) = (urls(before), urls(after));
    let same = |((one, from), (other, to)): ((&String, &String), (&String, &String))| {
        one == other && same_web_origin(from, to)
    };
    before.len() == after.len() && before.iter().zip(&after).all(same)
}

impl Aggregate for ProviderAccount {
    const CATEGORY: &'static str = AccountId::CATEGORY;
    type Command = ProviderCommand;
    type Event = ProviderEvent;
    type Refusal = ProviderRefusal;

    fn decide(&self, command: &ProviderCommand) -> Result<Vec<ProviderEvent>, ProviderRefusal> {
        match command {
            ProviderCommand::Configure { kind, provider, api_key, settings, origin, now } => {
                let before = self.current.as_ref().map(|(terms, _)| terms);
                let provider = provider.clone().or_else(|| before.map(|terms| terms.provider.clone()));
                let provider = provider.filter(|name| is_name(name)).ok_or(ProviderRefusal::Provider)?;
                let settings = settings.clone().or_else(|| before.map(|terms| terms.settings.clone()));
                let settings = settings.unwrap_or_default();
                if !are_settings(&settings) {
                    return Err(ProviderRefusal::Settings);
                }
                // a key is one provider's at one server: it must not be shown to another
                let is_theirs = |terms: &AccountTerms| {
                    terms.provider == provider && same_servers(&terms.settings, &settings)
                };
                let kept = self.current.as_ref().filter(|(terms, _)| is_theirs(terms));
                let kept = kept.map(|(terms, key)| (key.clone(), terms.key_last4.clone()));
                let (sealed, key_last4) = api_key.clone().or(kept).ok_or(ProviderRefusal::ApiKey)?;
                let after = AccountTerms { provider, key_last4, settings };
                if before == Some(&after) && api_key.is_none() {
                    return Ok(vec![]);
                }
                let (kind, before) = (*kind, before.cloned());
                let configured = ProviderConfigured {
                    kind,
                    before,
                    after,
                    api_key: sealed,
                    origin: origin.clone(),
                    at: *now,
                };
                Ok(vec![configured.into()])
            }
            ProviderCommand::Remove { kind, origin, now } => {
                let (before, _) = self.current.clone().ok_or(ProviderRefusal::Unknown)?;
                Ok(vec![ProviderRemoved { kind: *kind, before, origin: origin.clone(), at: *now }.into()])
            }
        }
    }

    fn evolve(&mut self, event: &ProviderEvent) {
        self.current = match event {
            ProviderEvent::Configured(configured) => {
                Some((configured.after.clone(), configured.api_key.clone()))
            }
            ProviderEvent::Removed(_) => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use serde_bytes::ByteBuf;
    use uuid::Uuid;

    use super::*;
    use crate::testing::calls::at;
    use crate::testing::scenario::{Scenario, scenario};

    fn sealed(byte: u8) -> Sealed {
        Sealed { key: Uuid::from_u128(1), bytes: ByteBuf::from([byte; 40]) }
    }

    fn configure(
        provider: Option<&str>,
        key: Option<u8>,
        settings: Option<&[(&str, &str)]>,
    ) -> ProviderCommand {
        let text = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        ProviderCommand::Configure {
            kind: ProviderKind::Telephony,
            provider: provider.map(str::to_owned),
            api_key: key.map(|byte| (sealed(byte), format!("..{byte:02}"))),
            settings: settings.map(|settings| settings.iter().map(text).collect()),
            origin: Origin::default(),
            now: at(1),
        }
    }

    fn there() -> Scenario<ProviderAccount> {
        scenario::<ProviderAccount>().after([configure(Some("telnyx"), Some(1), None)])
    }

    #[test]
    fn an_account_needs_a_provider_and_its_key() {
        let nothing = scenario::<ProviderAccount>;
        nothing().when(configure(None, Some(1), None)).then_refused(ProviderRefusal::Provider);
        nothing().when(configure(Some("telnyx"), None, None)).then_refused(ProviderRefusal::ApiKey);
        for bad in ["", "Telnyx", "tel nyx", &"x".repeat(41)] {
            nothing().when(configure(Some(bad), Some(1), None)).then_refused(ProviderRefusal::Provider);
        }
        nothing().when(configure(Some("telnyx"), Some(1), None)).then_types(["provider.configured"]);
    }

    #[test]
    fn what_is_left_out_stays_but_a_key_is_never_shown_to_another_provider() {
        let changed = there().when(configure(None, None, Some(&[("connection_id", "7")])));
        let changed = changed.then_types(["provider.configured"]).and();
        let (terms, key) = changed.state().current().unwrap();
        assert_eq!((&*terms.provider, &*terms.key_last4, key), ("telnyx", "..01", &sealed(1)));
        changed.clone().when(configure(None, None, None)).then_nothing();
        changed.when(configure(Some("other"), None, None)).then_refused(ProviderRefusal::ApiKey);
    }

    #[test]
    fn a_key_is_never_shown_to_another_server() {
        let at = |url| configure(None, None, Some(&[("base_url", url)]));
        let first = configure(Some("openai"), Some(1), Some(&[("base_url", "https://a.example/v1")]));
        let there = || scenario::<ProviderAccount>().after([first.clone()]);
        there().when(at("https://a.example/v2")).then_types(["provider.configured"]);
        for elsewhere in ["https://b.example/v1", "http://a.example/v1", "https://a.example:8443/v1"] {
            there().when(at(elsewhere)).then_refused(ProviderRefusal::ApiKey);
        }
        // the provider's own address is another server, too
        there().when(configure(None, None, Some(&[]))).then_refused(ProviderRefusal::ApiKey);
        let own = scenario::<ProviderAccount>().after([configure(Some("openai"), Some(1), None)]);
        own.when(at("https://b.example/v1")).then_refused(ProviderRefusal::ApiKey);
        let given = configure(None, Some(2), Some(&[("base_url", "https://b.example/v1")]));
        there().when(given).then_types(["provider.configured"]);
    }

    #[test]
    fn settings_are_few_and_short() {
        let long = "x".repeat(501);
        there().when(configure(None, None, Some(&[("a", &long)]))).then_refused(ProviderRefusal::Settings);
        there().when(configure(None, None, Some(&[("", "x")]))).then_refused(ProviderRefusal::Settings);
    }

    #[test]
    fn a_removed_account_is_gone_until_another_is_configured() {
        let remove = || ProviderCommand::Remove {
            kind: ProviderKind::Telephony,
            origin: Origin::default(),
            now: at(2),
        };
        let gone = there().when(remove()).then_types(["provider.removed"]).and();
        assert!(gone.state().current().is_none());
        gone.clone().when(remove()).then_refused(ProviderRefusal::Unknown);
        gone.when(configure(Some("telnyx"), None, None)).then_refused(ProviderRefusal::ApiKey);
    }
}
