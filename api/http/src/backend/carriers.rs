//! The carrier of a client: through its own account with Telnyx, or through the node's.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use actors::{Runtime, Session};
use adapters::telephony::breaker::{BreakerConfig, Guarded};
use adapters::telephony::national::Country;
use adapters::telephony::telnyx::{
    ApiKey, Ingress, PROVIDER, TelnyxClient, TelnyxConfig, WebhookVerifier, parse,
};
use async_trait::async_trait;
use domain::call::report::{CarrierReport, FoundRecording, LegRef, LegTag};
use domain::envelope::{Time, Version};
use domain::ids::ClientId;
use domain::phone::Party;
use domain::ports::telephony::{
    CarrierAccount, CarrierError, Dial, LegCommand, LegState, RecordPage, RefusedBecause, Telephony,
};
use domain::ports::vault::Vault;
use domain::provider::{AccountTerms, ProviderAccount, ProviderKind, account_stream};
use lru::LruCache;
use parking_lot::Mutex;

/// The most clients whose carrier is cached.
const READY_CLIENTS: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// The place that an account's encrypted secret is bound to.
pub fn secret_place(client: ClientId, kind: ProviderKind) -> String {
    format!("{}:api_key", account_stream(client, kind))
}

/// Settings of a Telnyx account besides its key.
pub mod telnyx_settings {
    /// Id of the Call Control application that places calls.
    pub const CONNECTION_ID: &str = "connection_id";
    /// Caller id of calls that name none.
    pub const CALLER_ID: &str = "caller_id";
    /// Country of numbers that the connection writes in national form.
    pub const COUNTRY: &str = "country";
    /// The public key that verifies the account's webhooks.
    pub const PUBLIC_KEY: &str = "public_key";
}

/// Settings of a language model account besides its key.
pub mod llm_settings {
    /// Base URL of the API.
    pub const BASE_URL: &str = "base_url";
    /// The model for requests that name none.
    pub const MODEL: &str = "model";
}

/// Settings of a HubSpot account besides its client secret; `map.…` are a [mapping](domain::hubspot::Mapping).
pub mod hubspot_settings {
    /// Name of the provider.
    pub const PROVIDER: &str = "hubspot";
    /// The only account (portal) of HubSpot whose events are taken; any, if left out.
    pub const PORTAL_ID: &str = "portal_id";
}

/// The account that a client's calls go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Through {
    /// The client's own account.
    OwnAccount,
    /// The account of the node.
    NodesAccount,
}

/// How a client's calls are placed.
#[derive(Debug, Clone)]
pub struct Dialling {
    /// `None` when neither the client nor the node has an account.
    pub through: Option<Through>,
    /// Caller id of calls that name none.
    pub caller_id: Option<Party>,
}

/// A client's own carrier, as of a version of its account.
type Ready = (Version, Arc<dyn Telephony>);

/// A carrier that uses each client's own account, if it has one, and the node's otherwise.
pub struct ClientCarriers {
    runtime: Runtime,
    vault: Arc<dyn Vault>,
    own: Option<Arc<dyn Telephony>>,
    /// Telnyx's settings, which an account's own settings override.
    telnyx: TelnyxConfig,
    ready: Mutex<LruCache<ClientId, Ready>>,
}

impl ClientCarriers {
    pub fn new(
        runtime: Runtime,
        vault: Arc<dyn Vault>,
        own: Option<Arc<dyn Telephony>>,
        telnyx: TelnyxConfig,
    ) -> Self {
        Self { runtime, vault, own, telnyx, ready: Mutex::new(LruCache::new(READY_CLIENTS)) }
    }

    /// The verifier of webhooks from the client's own account, if it has one with a public key, and the country of
    /// its numbers. Fails when the log cannot be read.
    pub async fn verifier(
        &self,
        client: ClientId,
    ) -> Result<Option<(WebhookVerifier, Option<Country>)>, CarrierError> {
        let account = self.account(client).await?;
        let Some((terms, _)) = account.state().current() else { return Ok(None) };
        let key = terms.settings.get(telnyx_settings::PUBLIC_KEY);
        let verifier = key.and_then(|key| WebhookVerifier::from_base64(key).ok());
        Ok(verifier.map(|verifier| (verifier, country_of(terms))))
    }

    /// The country of the numbers on the node's own account.
    pub fn own_country(&self) -> Option<Country> {
        self.telnyx.country
    }

    /// The party, in E.164 if it is in the national form of the client's carrier. Fails when the log cannot be read.
    pub async fn complete(&self, client: ClientId, party: Party) -> Result<Party, CarrierError> {
        let account = self.account(client).await?;
        let country = match account.state().current() {
            Some((terms, _)) => country_of(terms),
            None => self.telnyx.country,
        };
        Ok(country.map_or_else(|| party.clone(), |country| country.complete(party.clone())))
    }

    /// How the client's calls are placed. Fails when the log cannot be read.
    pub async fn dialling(&self, client: ClientId) -> Result<Dialling, CarrierError> {
        let account = self.account(client).await?;
        Ok(match account.state().current() {
            Some((terms, _)) => Dialling {
                through: Some(Through::OwnAccount),
                caller_id: terms.settings.get(telnyx_settings::CALLER_ID).map(|caller| Party::new(caller)),
            },
            None => Dialling {
                through: self.own.is_some().then_some(Through::NodesAccount),
                caller_id: self.telnyx.caller_id.clone(),
            },
        })
    }

    /// Reads the few events of an account each time, so that a change applies at once and on every node.
    async fn account(&self, client: ClientId) -> Result<Session<ProviderAccount>, CarrierError> {
        let stream = account_stream(client, ProviderKind::Telephony);
        let mut account = Session::new(self.runtime.clone(), stream);
        account.refresh().await.map_err(unavailable)?;
        Ok(account)
    }

    async fn of(&self, client: ClientId) -> Result<Arc<dyn Telephony>, CarrierError> {
        let account = self.account(client).await?;
        let Some((terms, sealed)) = account.state().current() else {
            return self.own.clone().ok_or(CarrierError::NotConfigured);
        };
        let version = account.version();
        let known = self.ready.lock().get(&client).cloned();
        if let Some((_, carrier)) = known.filter(|(known, _)| *known == version) {
            return Ok(carrier);
        }
        let place = secret_place(client, ProviderKind::Telephony);
        let key = self.vault.open(client, &place, sealed).await.map_err(unavailable)?;
        let key = String::from_utf8(key).map_err(|_| CarrierError::NotConfigured)?;
        let carrier = self.make(terms, key)?;
        self.ready.lock().put(client, (version, carrier.clone()));
        Ok(carrier)
    }

    fn make(&self, terms: &AccountTerms, key: String) -> Result<Arc<dyn Telephony>, CarrierError> {
        let setting = |name| terms.settings.get(name);
        let mut config = self.telnyx.clone();
        config.api_key = ApiKey::new(key);
        config.connection_id =
            setting(telnyx_settings::CONNECTION_ID).cloned().ok_or(CarrierError::NotConfigured)?;
        config.caller_id = setting(telnyx_settings::CALLER_ID).map(|caller| Party::new(caller));
        let clock = self.runtime.clock.clone();
        let client = TelnyxClient::new(config, clock.clone()).map_err(unavailable)?;
        Ok(Arc::new(Guarded::new(client, BreakerConfig::default(), clock)))
    }
}

fn country_of(terms: &AccountTerms) -> Option<Country> {
    terms.settings.get(telnyx_settings::COUNTRY).and_then(|country| country.parse().ok())
}

/// An account that is there and cannot be used is not the same as none.
fn of_account(error: CarrierError) -> CarrierError {
    match error {
        CarrierError::NotConfigured => CarrierError::Refused {
            because: RefusedBecause::Settings,
            status: 422,
            code: "account_unusable".to_owned(),
            title: "the client's account with the carrier lacks a setting, or its key cannot be read"
                .to_owned(),
        },
        other => other,
    }
}

pub(super) fn unavailable(error: impl fmt::Display) -> CarrierError {
    CarrierError::Unavailable { reason: error.to_string(), retry_after: None }
}

#[async_trait]
impl Telephony for ClientCarriers {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    async fn dial(&self, dial: &Dial) -> Result<LegRef, CarrierError> {
        self.of(dial.tag.client).await?.dial(dial).await
    }

    async fn command(&self, command: &LegCommand) -> Result<(), CarrierError> {
        self.of(command.tag.client).await?.command(command).await
    }

    async fn leg_state(&self, client: ClientId, control_id: &str) -> Result<LegState, CarrierError> {
        self.of(client).await?.leg_state(client, control_id).await
    }

    async fn find_leg(&self, tag: &LegTag) -> Result<Option<LegRef>, CarrierError> {
        self.of(tag.client).await?.find_leg(tag).await
    }

    async fn read_webhook(
        &self,
        client: ClientId,
        raw: &[u8],
        received_at: Time,
    ) -> Result<Option<CarrierReport>, CarrierError> {
        let account = self.account(client).await?;
        let country = account.state().current().map_or(self.telnyx.country, |(terms, _)| country_of(terms));
        Ok(match parse(raw, received_at, country) {
            Ok(Ingress::Report(report)) => Some(*report),
            Ok(Ingress::NoLeg { .. }) | Err(_) => None,
        })
    }

    async fn find_recording(
        &self,
        client: ClientId,
        recording_id: &str,
    ) -> Result<Option<FoundRecording>, CarrierError> {
        self.of(client).await?.find_recording(client, recording_id).await
    }

    async fn delete_recording(&self, client: ClientId, recording_id: &str) -> Result<(), CarrierError> {
        self.of(client).await?.delete_recording(client, recording_id).await
    }

    async fn call_records(
        &self,
        account: CarrierAccount,
        period: (Time, Time),
        after: Option<&str>,
    ) -> Result<RecordPage, CarrierError> {
        let carrier = match account {
            CarrierAccount::Node => self.own.clone().ok_or(CarrierError::NotConfigured)?,
            CarrierAccount::Client(client) => match self.account(client).await?.state().current() {
                Some(_) => self.of(client).await.map_err(of_account)?,
                None => return Err(CarrierError::NotConfigured),
            },
        };
        carrier.call_records(account, period, after).await
    }
}

impl fmt::Debug for ClientCarriers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCarriers").field("own", &self.own).finish_non_exhaustive()
    }
}
