//! The first start on an empty log: creates client `default` with an owner API key.

use actors::session::CommandError;
use actors::{CommandContext, Runtime, Session};
use anyhow::Context as _;
use domain::aggregate::Aggregate;
use domain::api_key::{ApiKey, ApiKeyCommand, ApiKeyCreated};
use domain::client::{Client, ClientCommand};
use domain::envelope::{Actor, Position, StreamId};
use domain::ids::{ApiKeyId, ClientId};
use domain::origin::Origin;
use serde_bytes::ByteBuf;
use uuid::Uuid;

use crate::auth::PlainKey;

/// Id of client `default`: the same on every installation, so that nodes that start at once agree on it.
pub const DEFAULT_CLIENT: ClientId = ClientId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
const OWNER_KEY: ApiKeyId = ApiKeyId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002));

/// Shows a new owner key to whoever starts the node. Called right after the key was stored.
pub type ShowKey = fn(&PlainKey) -> std::io::Result<()>;

/// Ensures that client `default` and its owner key exist. Two nodes may do so at once: one of them wins. A
/// generated key is shown at once, so that the operator has it even if the start fails later. Fails when the log
/// cannot be read or written, or the new key cannot be shown.
pub async fn bootstrap(
    runtime: &Runtime,
    configured: Option<&PlainKey>,
    show: ShowKey,
) -> anyhow::Result<()> {
    let name = "default".to_owned();
    let create = ClientCommand::Create { name, now: runtime.clock.now() };
    created::<Client>(runtime, DEFAULT_CLIENT, DEFAULT_CLIENT.stream(), create).await?;
    let key = configured.cloned().unwrap_or_else(|| new_key(runtime));
    let create = owner_key(runtime, &key);
    let is_new = created::<ApiKey>(runtime, DEFAULT_CLIENT, OWNER_KEY.stream(), create).await?;
    if is_new && configured.is_none() {
        show(&key).context(
            "the owner key was stored and cannot be printed; make another with `voxledger keys reset-owner`",
        )?;
    }
    Ok(())
}

/// Adds another owner key to a client. Fails when there is no such client, or the log cannot be read or written.
pub async fn new_owner_key(runtime: &Runtime, client: ClientId) -> anyhow::Result<(ApiKeyId, PlainKey)> {
    let mut session = Session::<Client>::new(runtime.clone(), client.stream());
    session.ensure_loaded().await.context("cannot read the client")?;
    anyhow::ensure!(
        session.client().is_some(),
        "there is no client {client} in this log; look at VOXLEDGER_EVENT_STORE and VOXLEDGER_DATA_DIR. The first \
        `voxledger serve` on an empty log makes client `default`"
    );
    let (id, key) = (ApiKeyId(runtime.ids.next()), new_key(runtime));
    let create = owner_key(runtime, &key);
    let context = context(runtime, client, "keys reset-owner");
    let session = Session::<ApiKey>::new(runtime.clone(), id.stream()).execute(&create, &context, None).await;
    session.context("cannot write the new owner key")?;
    Ok((id, key))
}

/// Who requests a new client, for the audit log.
#[derive(Debug)]
pub struct Asker {
    pub actor: Actor,
    /// Id of the request; `None` on the command line.
    pub request_id: Option<String>,
    pub origin: Origin,
}

/// Creates a client with an owner key. Should the second step fail, the client has no key and is useless. Fails
/// when the name is invalid, or the log cannot be written.
pub async fn create_client(
    runtime: &Runtime,
    name: &str,
    by: Asker,
) -> anyhow::Result<(ClientId, ApiKeyId, PlainKey, Position)> {
    let (client, key_id) = (ClientId(runtime.ids.next()), ApiKeyId(runtime.ids.next()));
    let create = ClientCommand::Create { name: name.trim().to_owned(), now: runtime.clock.now() };
    let Asker { actor, request_id, origin } = by;
    let context = CommandContext { actor, request_id, origin, ..context(runtime, client, "client create") };
    match Session::<Client>::new(runtime.clone(), client.stream()).execute(&create, &context, None).await {
        Ok(_) => {}
        Err(CommandError::Refused(refusal)) => return Err(refusal.into()),
        Err(error) => return Err(anyhow::Error::new(error).context("cannot create the client")),
    }
    let key = new_key(runtime);
    let create = owner_key(runtime, &key);
    let session =
        Session::<ApiKey>::new(runtime.clone(), key_id.stream()).execute(&create, &context, None).await;
    let receipt = session.context("cannot create its owner key; the client has none")?;
    Ok((client, key_id, key, receipt.position.unwrap_or_default()))
}

fn new_key(runtime: &Runtime) -> PlainKey {
    PlainKey::generate(|| runtime.ids.secret())
}

fn owner_key(runtime: &Runtime, key: &PlainKey) -> ApiKeyCommand {
    ApiKeyCommand::Create(Box::new(ApiKeyCreated {
        name: "owner".to_owned(),
        key_prefix: key.shown().to_owned(),
        key_hash: ByteBuf::from(key.hash().0.to_vec()),
        scopes: vec!["*".to_owned()],
        rate_limit: None,
        usage_quota: None,
        expires_at: None,
        origin: Origin::default(),
        at: runtime.clock.now(),
    }))
}

fn context(runtime: &Runtime, client: ClientId, component: &str) -> CommandContext {
    CommandContext {
        client,
        correlation_id: runtime.ids.next(),
        causation_id: None,
        actor: Actor::System(component.to_owned()),
        request_id: None,
        traceparent: None,
        command_id: None,
        origin: Origin::default(),
        appends: crate::context::appends(),
    }
}

/// Whether the aggregate was created now; an existing one is no error.
async fn created<A: Aggregate>(
    runtime: &Runtime,
    client: ClientId,
    stream: StreamId,
    create: A::Command,
) -> anyhow::Result<bool> {
    let context = context(runtime, client, "bootstrap");
    match Session::<A>::new(runtime.clone(), stream).execute(&create, &context, None).await {
        Ok(_) => Ok(true),
        Err(CommandError::Refused(_)) => Ok(false),
        Err(error) => Err(anyhow::Error::new(error).context("cannot create client `default`")),
    }
}
