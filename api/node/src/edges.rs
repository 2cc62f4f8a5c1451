//! The node's technology: log, views, carrier, clock.

use std::net::SocketAddr;
use std::sync::Arc;

use adapters::clock::SystemClock;
use adapters::database::Database;
use adapters::documents::{ChildParser, DocumentLimits, ParserLimits, StoredDocuments};
use adapters::event_store::{EventLog, Target, WriterLimits};
use adapters::files::create_private_folder;
use adapters::ids::RandomIds;
use adapters::ivr_webhook::HttpStepWebhooks;
use adapters::keys::{KeyVault, KeysDb, MasterKey};
use adapters::objects::Access;
use adapters::outbox::SqlOutbox;
use adapters::privacy::EncryptingEventStore;
use adapters::read_models::SqlViews;
use adapters::recordings::{FetchLimits, HttpRecordings};
use adapters::seals::{FileWitness, HttpWitness, SealsDb};
use adapters::stripe::{StripeClient, StripeConfig};
use adapters::telephony::breaker::{BreakerConfig, Guarded};
use adapters::telephony::telnyx::{ApiKey, TelnyxClient, TelnyxConfig};
use adapters::ultravox::UltravoxConfig;
use adapters::webhooks::{Guard, HttpSender, SenderConfig, SystemLookup};
use anyhow::Context as _;
use domain::ports::clock::Clock;
use domain::ports::documents::DocumentReader;
use domain::ports::event_store::EventStore;
use domain::ports::head_keeper::HeadKeeper;
use domain::ports::ids::Ids;
use domain::ports::ivr_webhook::StepWebhooks;
use domain::ports::objects::ObjectStore;
use domain::ports::payments::PaymentProvider;
use domain::ports::recordings::RecordingKeeper;
use domain::ports::seals::Witness;
use domain::ports::telephony::Telephony;
use domain::ports::vault::Vault;
use domain::ports::webhooks::WebhookSender;
use domain::zones::Zones;

use super::belonging::{self, Stores};
use super::zones::ChosenZones;
use crate::config::{Config, EventStoreUrl, ReadModelsUrl};
use api_http::backend::{LogKey, UltravoxNode};

/// The adapters of a node. Apart from these every node is the same.
#[derive(Debug)]
pub struct Edges {
    /// The log, as it is stored.
    pub log: EventLog,
    /// The log that encrypts personal data when written and decrypts it when read.
    pub private: EncryptingEventStore,
    /// The views; they may be unreachable.
    pub views: SqlViews,
    /// The outbox, timers, deliveries and their leases.
    pub work: SqlOutbox,
    /// The store of the Merkle tree.
    pub seals: SealsDb,
    /// The witnesses that receive signed heads.
    pub witnesses: Vec<Arc<dyn Witness>>,
    /// Encryption keys, and answers under idempotency keys.
    pub keys: KeysDb,
    /// Encrypts the secrets of clients and of the node.
    pub vault: Arc<dyn Vault>,
    /// Keeps the newest head of the log in another store than the log.
    pub keeper: Arc<dyn HeadKeeper>,
    /// The carrier through the node's own account; `None` without one.
    pub telephony: Option<Arc<dyn Telephony>>,
    /// Telnyx's settings, also for clients' own accounts.
    pub telnyx: TelnyxConfig,
    /// Decides which addresses outbound requests may reach.
    pub guard: Guard,
    /// Sends webhooks to clients' endpoints.
    pub webhooks: Arc<dyn WebhookSender>,
    /// Asks clients' own systems for the next action of an IVR session.
    pub step_webhooks: Arc<dyn StepWebhooks>,
    /// The store of files.
    pub objects: Arc<dyn ObjectStore>,
    /// Fetches recordings into it; `None` where they stay with the carrier.
    pub recordings: Option<Arc<dyn RecordingKeeper>>,
    /// Stores the documents of knowledge bases, and reads them in processes of their own.
    pub documents: Arc<dyn DocumentReader>,
    /// Where clients buy credit; `None` without an account, or without the secret that signs its webhooks.
    pub payments: Option<Arc<dyn PaymentProvider>>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// The time zones with their rules.
    pub zones: Zones,
}

impl Edges {
    /// Opens the adapters that the configuration names. Fails when a store cannot be opened or a setting is unusable.
    pub async fn connect(config: &Config) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let zones = ChosenZones::of(&config.zones.zoneinfo)
            .context("cannot use the time zones that VOXLEDGER_ZONEINFO names")?;
        zones.announce();
        let telnyx = telnyx(config);
        let telephony = telephony(config, &telnyx, &clock)?;
        let guard = Guard::new(config.webhooks.allow_private, Arc::new(SystemLookup));
        let timeout = config.webhooks.timeout;
        let connect_timeout = timeout.min(SenderConfig::default().connect_timeout);
        let sender = SenderConfig { timeout, connect_timeout, ..SenderConfig::default() };
        let webhooks = HttpSender::new(guard.clone(), sender).context("cannot set TLS up")?;
        let log = open_log(config, false).await?;
        let (seals, witnesses) = (open_seals(config).await?, witnesses(config)?);
        let ids: Arc<dyn Ids> = Arc::new(RandomIds);
        let log_id = belonging::log_id(&*log.store()).await?;
        belonging::keys_are_there(config, log_id).await?;
        let (keys, vault) = open_vault(config, &clock, &ids).await?;
        let work = open_work(config).await?;
        let views = views_if_there(config, &vault).await?;
        belonging::check(log_id, &Stores { keys: &keys, work: &work, views: &views }).await?;
        let private = private_log(config, log.for_followers(), &vault);
        let keeper = Arc::new(vault.head_keeper());
        let (vault, webhooks) = (Arc::new(vault), Arc::new(webhooks));
        let objects = open_objects(config)?;
        let recordings = recordings(config, &guard, &objects, vault.clone(), &ids)?;
        let documents = documents(config, &guard, &objects, vault.clone(), &ids)?;
        let step_webhooks = Arc::new(HttpStepWebhooks::new(guard.clone()).context("cannot set up TLS")?);
        Ok(Self {
            log,
            private,
            views,
            work,
            seals,
            witnesses,
            keys,
            vault,
            keeper,
            telephony,
            telnyx,
            guard,
            webhooks,
            step_webhooks,
            objects,
            recordings,
            documents,
            payments: payments(config)?,
            clock,
            ids,
            zones: zones.zones,
        })
    }
}

/// Where clients buy credit. Fails when the settings cannot be used.
fn payments(config: &Config) -> anyhow::Result<Option<Arc<dyn PaymentProvider>>> {
    let stripe = &config.stripe;
    let (Some(key), Some(_)) = (&stripe.api_key, &stripe.webhook_secret) else {
        if stripe.api_key.is_some() || stripe.webhook_secret.is_some() {
            tracing::warn!(
                "no credit is sold: set both VOXLEDGER_STRIPE_API_KEY and VOXLEDGER_STRIPE_WEBHOOK_SECRET"
            );
        }
        return Ok(None);
    };
    let api_base = stripe.api_base.as_str().parse().context("VOXLEDGER_STRIPE_API_BASE is no URL")?;
    let api_key = key.reveal().trim().to_owned();
    let client = StripeClient::new(StripeConfig { api_base, api_key }).context("cannot set up Stripe")?;
    Ok(Some(Arc::new(client)))
}

/// Opens the log. Fails when it cannot be opened; read-only, also when it does not exist.
pub async fn open_log(config: &Config, read_only: bool) -> anyhow::Result<EventLog> {
    let target: Target = match config.storage.event_store() {
        EventStoreUrl::Sqlite(path) => {
            if read_only {
                anyhow::ensure!(path.exists(), "there is no event store at {}", path.display());
            } else {
                make_room_for(&path)?;
            }
            Target::sqlite(path)
        }
        EventStoreUrl::Postgres(url) => url.reveal().parse()?,
        EventStoreUrl::Kurrent(url) => {
            let folder = &config.storage.data_dir;
            if !read_only {
                create_private_folder(folder)
                    .with_context(|| format!("cannot create the folder {}", folder.display()))?;
            }
            url.reveal().parse::<Target>()?.with_replica_in(folder)
        }
    };
    let limits = WriterLimits { queue: config.storage.append_queue, batch: config.storage.append_batch };
    let opened = match read_only {
        true => EventLog::open_read_only(&target).await,
        false => EventLog::open_with(&target, limits).await,
    };
    opened.context("cannot open the event store")
}

/// The log with its personal data decrypted, for commands outside of a node. `read_only`: creates no key store.
/// Fails when the key store cannot be used.
pub async fn open_private(
    config: &Config,
    log: &EventLog,
    read_only: bool,
) -> anyhow::Result<(EncryptingEventStore, KeyVault)> {
    if let (true, Database::Sqlite(path)) = (read_only, keys_database(config)?) {
        anyhow::ensure!(path.exists(), "there is no key store at {}", path.display());
    }
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(RandomIds));
    let (_, vault) = open_vault(config, &clock, &ids).await?;
    Ok((private_log(config, log.store(), &vault), vault))
}

fn private_log(config: &Config, log: Arc<dyn EventStore>, vault: &KeyVault) -> EncryptingEventStore {
    let keys = vault.subject_keys(config.privacy.key_life());
    EncryptingEventStore::new(log, keys).keeping(config.privacy.call_content)
}

/// Opens the views. Fails when they cannot be opened.
pub async fn open_views(config: &Config, vault: &KeyVault) -> anyhow::Result<SqlViews> {
    let views = views(config, vault).await?;
    views.ready().await.context("cannot open the read models")?;
    Ok(views)
}

/// The views, which may be unreachable: a node starts without them. A damaged file is replaced.
async fn views_if_there(config: &Config, vault: &KeyVault) -> anyhow::Result<SqlViews> {
    let views = views(config, vault).await?;
    match views.ready().await {
        Err(error) if error.is_damaged() => {
            belonging::remove_damaged("views", &views_database(config)?, &error)?;
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the views cannot be opened");
        }
        Ok(()) => {}
    }
    Ok(views)
}

/// The views, not opened yet.
async fn views(config: &Config, vault: &KeyVault) -> anyhow::Result<SqlViews> {
    let database = views_database(config)?;
    if let Database::Sqlite(path) = &database
        && let Err(error) = make_room_for(path)
    {
        tracing::warn!(error = %format!("{error:#}"), "the views have no folder");
    }
    let index = vault.secret("blind index").await.context("cannot use the vault")?;
    let views = SqlViews::at(&database).context("cannot use the address of the read models")?;
    Ok(views.with_blind_index(index))
}

/// Opens the work store. A damaged file is replaced, for all of it is derived from the log.
async fn open_work(config: &Config) -> anyhow::Result<SqlOutbox> {
    let database = work_database(config)?;
    if let Database::Sqlite(path) = &database {
        make_room_for(path)?;
    }
    match SqlOutbox::open(&database).await {
        Err(error) if error.is_damaged() && belonging::remove_damaged("work", &database, &error)? => {
            SqlOutbox::open(&database).await
        }
        opened => opened,
    }
    .context("cannot open the outbox, timers and deliveries")
}

/// Opens the store of the Merkle tree. Fails when it cannot be opened.
pub async fn open_seals(config: &Config) -> anyhow::Result<SealsDb> {
    let database = seals_database(config)?;
    if let Database::Sqlite(path) = &database {
        make_room_for(path)?;
    }
    SealsDb::open(&database).await.context("cannot open the seals of the log")
}

/// Opens the object store; a bucket is not asked for anything yet. Fails when the settings cannot be used.
pub fn open_objects(config: &Config) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let objects = &config.objects;
    let access = Access {
        endpoint: objects.endpoint.as_ref().map(|endpoint| endpoint.as_str().to_owned()),
        region: objects.region.clone(),
        key_id: objects.key_id.clone(),
        secret: objects.secret_key.as_ref().map(|secret| secret.reveal().to_owned()),
        data_dir: config.storage.data_dir.clone(),
    };
    let store = objects.target.open(&access);
    let store = store.with_context(|| format!("cannot use the object store {}", objects.target))?;
    tracing::debug!(target = %objects.target, "the object store is open");
    Ok(Arc::new(store))
}

fn recordings(
    config: &Config,
    guard: &Guard,
    objects: &Arc<dyn ObjectStore>,
    vault: Arc<dyn Vault>,
    ids: &Arc<dyn Ids>,
) -> anyhow::Result<Option<Arc<dyn RecordingKeeper>>> {
    if !config.recordings.store {
        return Ok(None);
    }
    let limits =
        FetchLimits { max_bytes: config.recordings.max_bytes.get() as u64, ..FetchLimits::default() };
    let (carrier, stores) = (config.telnyx.api_base.as_str(), (objects.clone(), vault));
    let keeper = HttpRecordings::new(guard.clone(), carrier, stores, ids.clone(), limits);
    Ok(Some(Arc::new(keeper.context("cannot set up TLS")?)))
}

fn documents(
    config: &Config,
    guard: &Guard,
    objects: &Arc<dyn ObjectStore>,
    vault: Arc<dyn Vault>,
    ids: &Arc<dyn Ids>,
) -> anyhow::Result<Arc<dyn DocumentReader>> {
    let settings = &config.documents;
    let memory = (settings.memory_mib.get() as u64).saturating_mul(1 << 20);
    let parser_limits = ParserLimits { memory, time: settings.timeout };
    let parser = ChildParser::new(ChildParser::this_program(), parser_limits);
    let limits = DocumentLimits { max_bytes: settings.max_bytes.get() as u64, ..DocumentLimits::default() };
    let reader = StoredDocuments::new(guard.clone(), (objects.clone(), vault), ids.clone(), parser, limits);
    Ok(Arc::new(reader.context("cannot set up TLS")?))
}

fn witnesses(config: &Config) -> anyhow::Result<Vec<Arc<dyn Witness>>> {
    let mut witnesses: Vec<Arc<dyn Witness>> = Vec::new();
    if let Some(url) = &config.audit.witness_url {
        witnesses.push(Arc::new(HttpWitness::new(url.reveal()).context("cannot set up TLS")?));
    }
    if let Some(path) = &config.audit.checkpoint_file {
        witnesses.push(Arc::new(FileWitness::new(path)));
    }
    Ok(witnesses)
}

/// Opens the key store with the master key. Fails when either cannot be used, or they do not belong together.
pub async fn open_vault(
    config: &Config,
    clock: &Arc<dyn Clock>,
    ids: &Arc<dyn Ids>,
) -> anyhow::Result<(KeysDb, KeyVault)> {
    let master = master_key(config, &**ids)?;
    let keys = open_keys(config).await?;
    let vault = KeyVault::new(keys.clone(), master, clock.clone(), ids.clone());
    vault.check().await.context("the key store and the master key do not belong together")?;
    Ok((keys, vault))
}

/// The key that signs heads of the log, from the key store. Fails when that cannot be used.
pub async fn log_key(config: &Config) -> anyhow::Result<LogKey> {
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(RandomIds));
    let (keys, vault) = open_vault(config, &clock, &ids).await?;
    let secret = vault.secret(actors::sealer::KEY).await;
    keys.close().await;
    Ok(LogKey::new(secret?))
}

/// Opens the key store. Fails when it cannot be opened.
pub async fn open_keys(config: &Config) -> anyhow::Result<KeysDb> {
    let database = keys_database(config)?;
    if let Database::Sqlite(path) = &database {
        make_room_for(path)?;
    }
    KeysDb::open(&database).await.context("cannot open the key store")
}

/// The master key: as configured, or from its file, which is created on the first start. Fails when it cannot
/// be read or created.
pub fn master_key(config: &Config, ids: &dyn Ids) -> anyhow::Result<MasterKey> {
    if let Some(key) = &config.keys.master_key {
        return Ok(key.clone());
    }
    if let Some(path) = &config.keys.master_key_file {
        return MasterKey::read(path)
            .context("set VOXLEDGER_MASTER_KEY_FILE to a file with base64 of 32 bytes");
    }
    let path = config.storage.master_key_file();
    make_room_for(&path)?;
    Ok(MasterKey::read_or_create(&path, || ids.secret())?)
}

/// Address of the key database. Fails when it cannot be parsed.
pub fn keys_database(config: &Config) -> anyhow::Result<Database> {
    database(config.storage.key_store())
}

/// Address of the log's database; `None` if this program does not manage its schema. Fails when it cannot be parsed.
pub fn log_database(config: &Config) -> anyhow::Result<Option<Database>> {
    Ok(match config.storage.event_store() {
        EventStoreUrl::Sqlite(path) => Some(Database::Sqlite(path)),
        EventStoreUrl::Postgres(url) => Some(url.reveal().parse()?),
        EventStoreUrl::Kurrent(_) => None,
    })
}

/// Address of the Merkle tree's database: the log's server, or a file beside the log's; for a log in KurrentDB the key
/// store's server, or a file in the data folder. Fails when it cannot be parsed.
pub fn seals_database(config: &Config) -> anyhow::Result<Database> {
    Ok(match config.storage.event_store() {
        EventStoreUrl::Sqlite(path) => Database::Sqlite(path.with_extension("seals.db")),
        EventStoreUrl::Postgres(url) => url.reveal().parse()?,
        EventStoreUrl::Kurrent(_) => match config.storage.key_store() {
            ReadModelsUrl::Sqlite(_) => Database::Sqlite(config.storage.data_dir.join("events.seals.db")),
            ReadModelsUrl::Postgres(url) => url.reveal().parse()?,
        },
    })
}

/// Address of the work store's database. Fails when it cannot be parsed.
pub fn work_database(config: &Config) -> anyhow::Result<Database> {
    database(config.storage.work_store())
}

/// Address of the views' database. Fails when it cannot be parsed.
pub fn views_database(config: &Config) -> anyhow::Result<Database> {
    database(config.storage.read_models())
}

fn database(url: ReadModelsUrl) -> anyhow::Result<Database> {
    Ok(match url {
        ReadModelsUrl::Sqlite(path) => Database::Sqlite(path),
        ReadModelsUrl::Postgres(url) => url.reveal().parse()?,
    })
}

fn make_room_for(file: &std::path::Path) -> anyhow::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) => create_private_folder(folder)
            .with_context(|| format!("cannot create the folder {}", folder.display())),
        None => Ok(()),
    }
}

/// The node's own account; without one the key and the application are empty.
fn telnyx(config: &Config) -> TelnyxConfig {
    let telnyx = &config.telnyx;
    let key = telnyx.api_key.as_ref().map_or("", |key| key.reveal());
    let mut settings =
        TelnyxConfig::new(ApiKey::new(key), telnyx.connection_id.as_deref().unwrap_or_default());
    settings.api_base = telnyx.api_base.as_str().to_owned();
    settings.timeout = config.actors.carrier_timeout;
    settings.country = telnyx.country;
    settings.caller_id = telnyx.caller_id.as_deref().map(domain::phone::Party::new);
    settings
}

/// The node's own account with Ultravox; without one the key is empty. `seed` makes the secrets of callbacks, which go to
/// the address that the node is `bound` to, unless another is configured.
pub fn ultravox(config: &Config, seed: [u8; 32], bound: SocketAddr) -> UltravoxNode {
    let ultravox = &config.ultravox;
    let key = ultravox.api_key.as_ref().map_or("", |key| key.reveal());
    let secrets = ultravox.webhook_secret.as_ref().map_or("", |secret| secret.reveal());
    let secrets = secrets.split(',').map(str::trim).filter(|secret| !secret.is_empty());
    let mut account = UltravoxConfig::new(ultravox.api_base.as_str(), key.trim());
    account.timeout = config.actors.carrier_timeout;
    UltravoxNode {
        account,
        webhook_secrets: secrets.map(str::to_owned).collect(),
        public_url: config.http.public_url(bound).trim_end_matches('/').to_owned(),
        seed,
    }
}

fn telephony(
    config: &Config,
    telnyx: &TelnyxConfig,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Option<Arc<dyn Telephony>>> {
    if config.telnyx.api_key.is_none() || config.telnyx.connection_id.is_none() {
        return Ok(None);
    }
    let client =
        TelnyxClient::new(telnyx.clone(), clock.clone()).context("telnyx settings cannot be used")?;
    Ok(Some(Arc::new(Guarded::new(client, BreakerConfig::default(), clock.clone()))))
}
