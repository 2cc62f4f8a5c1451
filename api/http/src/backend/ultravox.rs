//! The voice runtime of a client: through its own account with Ultravox, or through the node's.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use actors::{Runtime, Session};
use adapters::ultravox::{
    Callbacks, Medium, PROVIDER, UNKNOWN_CALL, UltravoxClient, UltravoxConfig, UltravoxLimits,
    callback_secret,
};
use async_trait::async_trait;
use domain::agent::sync::AgentSync;
use domain::call::report::{CarrierReport, FoundRecording, LegRef, LegTag};
use domain::envelope::{Time, Version};
use domain::ids::{AgentSyncId, ClientId};
use domain::phone::Party;
use domain::ports::event_store::Direction;
use domain::ports::hosted::{HostedAgent, HostedAgents, RemoteAgent};
use domain::ports::telephony::{
    CarrierError, Dial, LegCommand, LegState, MessagePage, RefusedBecause, Telephony,
};
use domain::ports::vault::{Sealed, Vault};
use domain::provider::{AccountTerms, ProviderEvent, ProviderKind, account_stream};
use domain::wire::DomainEvent as _;
use lru::LruCache;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::carriers::{Dialling, Through, secret_place, unavailable};

/// The most accounts whose client is cached.
const READY_ACCOUNTS: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();
/// Most events of an account that are read at once.
const PAGE: usize = 256;
/// Pause while an agent is being copied to the account.
const COPYING: Duration = Duration::from_secs(2);
/// Most keys of a client's with which a call is looked for, the newest first.
const EARLIER_KEYS: usize = 4;
/// Most versions of a client's account among which those keys are looked for: most change other settings.
const EARLIER_VERSIONS: usize = 100;

/// Settings of an Ultravox account besides its key.
pub mod ultravox_settings {
    /// How Ultravox reaches the phone network: `telnyx`, `twilio` or `sip`.
    pub const MEDIUM: &str = "medium";
    /// Caller id of calls that name none.
    pub const CALLER_ID: &str = "caller_id";
    /// Host of the SIP trunk that numbers are called through.
    pub const SIP_GATEWAY: &str = "sip_gateway";
    /// Ultravox's model that talks; its default, if left out.
    pub const MODEL: &str = "model";
    /// Calls that the account's plan allows to create in a minute.
    pub const CALLS_PER_MINUTE: &str = "calls_per_minute";
    /// Calls that the account's plan allows to create in a second.
    pub const CALLS_PER_SECOND: &str = "calls_per_second";
}

/// What accounts have in common.
#[derive(Clone)]
pub struct UltravoxNode {
    /// The node's own account; its key is empty where there is none.
    pub account: UltravoxConfig,
    /// Secrets of webhooks that are set up in the node's own account.
    pub webhook_secrets: Vec<String>,
    /// The node's address for Ultravox, without a slash at its end.
    pub public_url: String,
    /// Secrets of callbacks are derived from it.
    pub seed: [u8; 32],
}

impl fmt::Debug for UltravoxNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UltravoxNode").field("public_url", &self.public_url).finish_non_exhaustive()
    }
}

impl UltravoxNode {
    /// Where Ultravox tells of calls: of a client's own account, or of the node's.
    fn callbacks(&self, owner: Option<ClientId>) -> Callbacks {
        let path = owner.map_or_else(String::new, |client| format!("/{client}"));
        let url = format!("{}/api/v1/webhooks/ultravox{path}", self.public_url);
        Callbacks { url, secret: self.secret(owner) }
    }

    fn secret(&self, owner: Option<ClientId>) -> String {
        callback_secret(&self.seed, &owner.map_or_else(|| "node".to_owned(), |client| client.to_string()))
    }
}

/// An account as of a version of its stream: what may be shown of it, and the sealed key.
type Known = (u64, AccountTerms, Sealed);

/// SHA-256 of an API key.
type KeyHash = [u8; 32];

/// A client that was made for an account, and the key that it uses.
#[derive(Clone)]
struct Ready {
    key: KeyHash,
    client: Arc<UltravoxClient>,
}

fn hash(key: &str) -> KeyHash {
    Sha256::digest(key).into()
}

/// Uses each client's own account with Ultravox, if it has one, and the node's otherwise.
pub struct UltravoxAccounts {
    runtime: Runtime,
    vault: Arc<dyn Vault>,
    node: UltravoxNode,
    own: Option<Arc<UltravoxClient>>,
    ready: Mutex<LruCache<(ClientId, u64), Ready>>,
    /// What each key may do, by its hash: other settings of an account change nothing of it.
    limits: Mutex<LruCache<KeyHash, Arc<UltravoxLimits>>>,
}

impl fmt::Debug for UltravoxAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UltravoxAccounts").field("own", &self.own).finish_non_exhaustive()
    }
}

impl UltravoxAccounts {
    /// Fails when the node's own account cannot be used.
    pub fn new(
        runtime: Runtime,
        vault: Arc<dyn Vault>,
        node: UltravoxNode,
    ) -> Result<Self, adapters::ultravox::BadUltravoxConfig> {
        let mut limits = LruCache::<KeyHash, Arc<UltravoxLimits>>::new(READY_ACCOUNTS);
        let own = match node.account.api_key.is_empty() {
            true => None,
            false => {
                let callbacks = Some(node.callbacks(None));
                let config = UltravoxConfig { callbacks, ..node.account.clone() };
                let of_key = limits.get_or_insert(hash(&config.api_key), Arc::default).clone();
                Some(Arc::new(UltravoxClient::new(config, runtime.clock.clone(), of_key)?))
            }
        };
        let ready = Mutex::new(LruCache::new(READY_ACCOUNTS));
        Ok(Self { runtime, vault, node, own, ready, limits: Mutex::new(limits) })
    }

    /// The secrets that sign webhooks of a client's own account, or of the node's; `None` where there is no account.
    /// Fails when the account cannot be read.
    pub async fn webhook_secrets(
        &self,
        owner: Option<ClientId>,
    ) -> Result<Option<Vec<String>>, CarrierError> {
        let given = match owner {
            None if self.own.is_none() => return Ok(None),
            None => self.node.webhook_secrets.clone(),
            Some(client) => {
                let Some(known) = self.known(client, None).await? else { return Ok(None) };
                self.keys(client, &known.2).await?.1
            }
        };
        Ok(Some(given.into_iter().chain([self.node.secret(owner)]).collect()))
    }

    /// How the client's calls are placed. Fails when the log cannot be read.
    pub async fn dialling(&self, client: ClientId) -> Result<Dialling, CarrierError> {
        Ok(match self.known(client, None).await? {
            Some((_, terms, _)) => Dialling {
                through: Some(Through::OwnAccount),
                caller_id: terms.settings.get(ultravox_settings::CALLER_ID).map(|caller| Party::new(caller)),
            },
            None => Dialling {
                through: self.own.is_some().then_some(Through::NodesAccount),
                caller_id: self.node.account.caller_id.clone(),
            },
        })
    }

    /// The client's own accounts so far, the oldest first, and whether the last one is still in use.
    async fn history(&self, client: ClientId) -> Result<(Vec<Known>, bool), CarrierError> {
        let stream = account_stream(client, ProviderKind::Runtime);
        let (mut accounts, mut in_use, mut version) = (Vec::new(), false, Version::NONE);
        loop {
            let page = self.runtime.store.read_stream(&stream, version, Direction::Forwards, PAGE).await;
            let page = page.map_err(unavailable)?;
            let Some(last) = page.last() else { return Ok((accounts, in_use)) };
            version = last.version;
            for event in &page {
                let fact = ProviderEvent::decode(&event.event_type, event.schema, &event.payload);
                match fact.map_err(unavailable)? {
                    ProviderEvent::Configured(fact) => {
                        accounts.push((event.version.0, fact.after, fact.api_key));
                        in_use = true;
                    }
                    ProviderEvent::Removed(_) => in_use = false,
                }
            }
        }
    }

    /// The client's own account, now or as of a version of its stream.
    async fn known(&self, client: ClientId, at: Option<u64>) -> Result<Option<Known>, CarrierError> {
        let (accounts, in_use) = self.history(client).await?;
        Ok(match at {
            None => accounts.into_iter().next_back().filter(|_| in_use),
            Some(at) => accounts.into_iter().rfind(|(version, ..)| *version <= at),
        })
    }

    /// The account that the client uses now, then those that it used before: a call goes on where it was placed.
    async fn so_far(&self, client: ClientId) -> Result<Vec<Arc<UltravoxClient>>, CarrierError> {
        let (accounts, in_use) = self.history(client).await?;
        let mut made: Vec<Ready> = Vec::new();
        let mut sealed: Vec<Sealed> = Vec::new();
        for known in accounts.into_iter().rev().take(EARLIER_VERSIONS) {
            // what changes other settings keeps the sealed key
            if made.len() == EARLIER_KEYS || sealed.contains(&known.2) {
                continue;
            }
            sealed.push(known.2.clone());
            let ready = self.made(client, known).await?;
            if made.iter().all(|before| before.key != ready.key) {
                made.push(ready);
            }
        }
        let mut made: Vec<_> = made.into_iter().map(|ready| ready.client).collect();
        let at = if in_use { made.len() } else { 0 };
        made.splice(at..at, self.own.clone());
        if made.is_empty() { Err(CarrierError::NotConfigured) } else { Ok(made) }
    }

    /// The API key, and the secrets of webhooks after it.
    async fn keys(&self, client: ClientId, sealed: &Sealed) -> Result<(String, Vec<String>), CarrierError> {
        let place = secret_place(client, ProviderKind::Runtime);
        let keys = self.vault.open(client, &place, sealed).await.map_err(unavailable)?;
        let keys = String::from_utf8(keys).map_err(|_| CarrierError::NotConfigured)?;
        let mut keys = keys.split(',').map(str::trim).filter(|key| !key.is_empty()).map(str::to_owned);
        let key = keys.next().ok_or(CarrierError::NotConfigured)?;
        Ok((key, keys.collect()))
    }

    /// The account that the client uses now.
    async fn now(&self, client: ClientId) -> Result<(u64, Arc<UltravoxClient>), CarrierError> {
        match self.known(client, None).await? {
            Some(known) => Ok((known.0, self.made(client, known).await?.client)),
            None => Ok((0, self.own.clone().ok_or(CarrierError::NotConfigured)?)),
        }
    }

    /// An account that the client uses or used.
    async fn at(&self, client: ClientId, account: u64) -> Result<Arc<UltravoxClient>, CarrierError> {
        if account == 0 {
            return self.own.clone().ok_or(CarrierError::NotConfigured);
        }
        let known = self.known(client, Some(account)).await?.ok_or(CarrierError::NotConfigured)?;
        Ok(self.made(client, known).await?.client)
    }

    async fn made(&self, client: ClientId, known: Known) -> Result<Ready, CarrierError> {
        let (version, terms, sealed) = known;
        if let Some(ready) = self.ready.lock().get(&(client, version)).cloned() {
            return Ok(ready);
        }
        let setting = |name| terms.settings.get(name);
        let number = |name, usual| setting(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
        let base = &self.node.account;
        let config = UltravoxConfig {
            api_base: base.api_base.clone(),
            api_key: self.keys(client, &sealed).await?.0,
            medium: setting(ultravox_settings::MEDIUM)
                .and_then(|name| Medium::from_name(name))
                .unwrap_or_default(),
            caller_id: setting(ultravox_settings::CALLER_ID).map(|caller| Party::new(caller)),
            sip_gateway: setting(ultravox_settings::SIP_GATEWAY).cloned(),
            model: setting(ultravox_settings::MODEL).cloned(),
            callbacks: Some(self.node.callbacks(Some(client))),
            calls_per_minute: number(ultravox_settings::CALLS_PER_MINUTE, base.calls_per_minute),
            calls_per_second: number(ultravox_settings::CALLS_PER_SECOND, base.calls_per_second),
            timeout: base.timeout,
        };
        let key = hash(&config.api_key);
        let limits = self.limits.lock().get_or_insert(key, Arc::default).clone();
        let made = UltravoxClient::new(config, self.runtime.clock.clone(), limits).map_err(unavailable)?;
        let ready = Ready { key, client: Arc::new(made) };
        Ok(self.ready.lock().get_or_insert((client, version), || ready).clone())
    }

    /// The account for a dial, and its agent's copy there. Fails with [`CarrierError::Held`] while that is being made.
    async fn copy_of(&self, dial: &Dial) -> Result<(Arc<UltravoxClient>, String), CarrierError> {
        let refused = |code: &str| CarrierError::Refused {
            because: RefusedBecause::Settings,
            status: 422,
            code: code.to_owned(),
            title: "deploy the agent, and see its sync".to_owned(),
        };
        let (account, client) = self.now(dial.tag.client).await?;
        let agent = dial.agent.ok_or_else(|| refused("no_agent"))?;
        let mut copy = Session::<AgentSync>::new(self.runtime.clone(), AgentSyncId::of(agent).stream());
        copy.refresh().await.map_err(unavailable)?;
        let current = copy.state().current().filter(|current| current.copy.account == account);
        match current {
            Some(current) => Ok((client, current.copy.remote_id.clone())),
            None if copy.state().failure().is_some() && copy.state().wanted().is_none() => {
                Err(refused("agent_not_copied"))
            }
            None => {
                let reason = "the agent is being copied to the account".to_owned();
                Err(CarrierError::Held { reason, pause: COPYING })
            }
        }
    }
}

/// A search through the accounts of a client, of which the first is the one in use. One that refuses its key knows
/// nothing; if it is the one in use and no other knows anything either, nothing can be said.
#[derive(Default)]
struct Search {
    asked: usize,
    refused: Option<CarrierError>,
}

impl Search {
    /// What the next account answers.
    fn heard<T>(&mut self, found: Result<Option<T>, CarrierError>) -> Result<Option<T>, CarrierError> {
        self.asked += 1;
        match found {
            Err(refused @ CarrierError::Refused { .. }) => {
                self.refused = Some(refused).filter(|_| self.asked == 1).or(self.refused.take());
                Ok(None)
            }
            found => found,
        }
    }

    /// What to answer when no account knew anything.
    fn end<T>(self, nothing: T) -> Result<T, CarrierError> {
        self.refused.map_or(Ok(nothing), Err)
    }
}

/// Whether another account may have the call that this one was asked about.
fn may_be_elsewhere(done: &Result<(), CarrierError>) -> bool {
    match done {
        Err(CarrierError::Gone { code }) => code == UNKNOWN_CALL,
        Err(CarrierError::Refused { because, .. }) => *because == RefusedBecause::Settings,
        Err(CarrierError::NotConfigured) => true,
        _ => false,
    }
}

#[async_trait]
impl Telephony for UltravoxAccounts {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn drops_repeats(&self) -> bool {
        false
    }

    async fn may_dial(&self, dial: &Dial) -> Result<(), CarrierError> {
        self.copy_of(dial).await?.0.may_dial(dial).await
    }

    async fn dial(&self, dial: &Dial) -> Result<LegRef, CarrierError> {
        let (client, copy) = self.copy_of(dial).await?;
        client.create_call(&copy, dial).await
    }

    async fn command(&self, command: &LegCommand) -> Result<(), CarrierError> {
        let mut refused = None;
        for account in self.so_far(command.tag.client).await? {
            let done = account.command(command).await;
            if !may_be_elsewhere(&done) {
                return done;
            }
            // where a key is refused the call may live on, whatever the others say
            refused = refused.or(done.err().filter(|error| !matches!(error, CarrierError::Gone { .. })));
        }
        Err(refused.unwrap_or_else(|| CarrierError::Gone { code: UNKNOWN_CALL.to_owned() }))
    }

    async fn leg_state(&self, client: ClientId, control_id: &str) -> Result<LegState, CarrierError> {
        let mut search = Search::default();
        for account in self.so_far(client).await? {
            let state = account.leg_state(client, control_id).await.map(Some);
            if search.heard(state)? == Some(LegState::Alive) {
                return Ok(LegState::Alive);
            }
        }
        search.end(LegState::Gone)
    }

    async fn read_call(
        &self,
        client: ClientId,
        control_id: &str,
    ) -> Result<Option<CarrierReport>, CarrierError> {
        let mut search = Search::default();
        for account in self.so_far(client).await? {
            let found = search.heard(account.read_call(client, control_id).await)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        search.end(None)
    }

    async fn read_messages(
        &self,
        client: ClientId,
        control_id: &str,
        began: Time,
        cursor: Option<String>,
    ) -> Result<Option<MessagePage>, CarrierError> {
        let mut search = Search::default();
        for account in self.so_far(client).await? {
            let page = account.read_messages(client, control_id, began, cursor.clone()).await;
            let found = search.heard(page)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        search.end(None)
    }

    async fn find_leg(&self, tag: &LegTag) -> Result<Option<LegRef>, CarrierError> {
        let mut search = Search::default();
        for account in self.so_far(tag.client).await? {
            let found = search.heard(account.find_leg(tag).await)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        search.end(None)
    }

    async fn read_webhook(
        &self,
        client: ClientId,
        raw: &[u8],
        received_at: Time,
    ) -> Result<Option<CarrierReport>, CarrierError> {
        self.now(client).await?.1.read_webhook(client, raw, received_at).await
    }

    async fn find_recording(&self, _: ClientId, _: &str) -> Result<Option<FoundRecording>, CarrierError> {
        Ok(None)
    }

    async fn delete_recording(&self, _: ClientId, _: &str) -> Result<(), CarrierError> {
        Ok(())
    }
}

#[async_trait]
impl HostedAgents for UltravoxAccounts {
    async fn account(&self, client: ClientId) -> Result<Option<u64>, CarrierError> {
        let known = self.known(client, None).await?;
        Ok(known.map(|known| known.0).or_else(|| self.own.as_ref().map(|_| 0)))
    }

    async fn find(
        &self,
        client: ClientId,
        account: u64,
        agent: &HostedAgent,
    ) -> Result<Option<RemoteAgent>, CarrierError> {
        self.at(client, account).await?.find_agent(agent).await
    }

    async fn read(
        &self,
        client: ClientId,
        account: u64,
        remote_id: &str,
        agent: &HostedAgent,
    ) -> Result<Option<RemoteAgent>, CarrierError> {
        self.at(client, account).await?.read_agent(remote_id, agent).await
    }

    async fn create(
        &self,
        client: ClientId,
        account: u64,
        agent: &HostedAgent,
    ) -> Result<RemoteAgent, CarrierError> {
        self.at(client, account).await?.create_agent(agent).await
    }

    async fn update(
        &self,
        client: ClientId,
        account: u64,
        remote_id: &str,
        agent: &HostedAgent,
    ) -> Result<RemoteAgent, CarrierError> {
        self.at(client, account).await?.update_agent(remote_id, agent).await
    }

    async fn delete(&self, client: ClientId, account: u64, remote_id: &str) -> Result<(), CarrierError> {
        self.at(client, account).await?.delete_agent(remote_id).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> CarrierError {
        let (because, code) = (RefusedBecause::Settings, "http_401".to_owned());
        CarrierError::Refused { because, status: 401, code, title: String::new() }
    }

    #[test]
    fn an_account_that_refuses_its_key_hides_no_call_in_another() {
        let mut search = Search::default();
        assert_eq!(search.heard::<u8>(Err(refused())), Ok(None));
        assert_eq!(search.heard(Ok(Some(7))), Ok(Some(7)));
        // nobody knows it, and the account in use could not be asked
        let mut search = Search::default();
        assert_eq!((search.heard::<u8>(Err(refused())), search.heard::<u8>(Ok(None))), (Ok(None), Ok(None)));
        assert_eq!(search.end(()), Err(refused()));
        // an earlier one that refuses knows nothing
        let mut search = Search::default();
        assert_eq!((search.heard::<u8>(Ok(None)), search.heard::<u8>(Err(refused()))), (Ok(None), Ok(None)));
        assert_eq!(search.end(()), Ok(()));
    }

    #[test]
    fn a_command_goes_on_to_other_accounts_only_where_it_was_certainly_not_done() {
        let gone = |code: &str| Err(CarrierError::Gone { code: code.to_owned() });
        assert!(may_be_elsewhere(&Err(refused())) && may_be_elsewhere(&gone(UNKNOWN_CALL)));
        assert!(!may_be_elsewhere(&gone("ended")) && !may_be_elsewhere(&Ok(())));
        assert!(!may_be_elsewhere(&Err(CarrierError::Unknown { reason: "lost".to_owned() })));
    }
}
