//! The first start on an empty log: client `default` with an owner API key.

use actors::session::CommandError;
use actors::{CommandContext, Runtime, Session};
use domain::aggregate::Aggregate;
use domain::api_key::{ApiKey, ApiKeyCommand, ApiKeyCreated};
use domain::client::{Client, ClientCommand};
use domain::envelope::{Actor, StreamId};
use domain::ids::{ApiKeyId, ClientId};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use crate::http::auth::PlainKey;

/// Client `default`: the same id on every installation, so that nodes that start at once agree on it.
pub const DEFAULT_CLIENT: ClientId = ClientId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
const OWNER_KEY: ApiKeyId = ApiKeyId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002));

/// What the start found or did.
#[derive(Debug)]
pub enum Bootstrapped {
    /// The log has a client and an owner key.
    Already,
    /// They were created with the configured key.
    WithConfiguredKey,
    /// They were created with a new key, to be shown once.
    WithNewKey(PlainKey),
}

/// Makes sure that client `default` and its owner key exist. Two nodes may do so at once: one of them wins.
///
/// # Errors
/// When the log cannot be read or written.
pub(super) async fn bootstrap(
    runtime: &Runtime,
    configured: Option<&PlainKey>,
) -> anyhow::Result<Bootstrapped> {
    let now = runtime.clock.now();
    let create = ClientCommand::Create { name: "default".to_owned(), now };
    created::<Client>(runtime, DEFAULT_CLIENT.stream(), create).await?;
    let fresh = || PlainKey::generate(|| random_bytes(runtime));
    let key = configured.cloned().unwrap_or_else(fresh);
    let create = ApiKeyCommand::Create(ApiKeyCreated {
        name: "owner".to_owned(),
        key_prefix: key.shown().to_owned(),
        key_hash: ByteBuf::from(key.hash().0.to_vec()),
        scopes: vec!["*".to_owned()],
        at: now,
    });
    match (created::<ApiKey>(runtime, OWNER_KEY.stream(), create).await?, configured) {
        (false, _) => Ok(Bootstrapped::Already),
        (true, Some(_)) => Ok(Bootstrapped::WithConfiguredKey),
        (true, None) => Ok(Bootstrapped::WithNewKey(key)),
    }
}

/// Whether it was created now; that it exists already is fine.
async fn created<A: Aggregate>(
    runtime: &Runtime,
    stream: StreamId,
    create: A::Command,
) -> anyhow::Result<bool> {
    let context = CommandContext {
        client: DEFAULT_CLIENT,
        correlation_id: runtime.ids.next(),
        causation_id: None,
        actor: Actor::System("bootstrap".to_owned()),
        request_id: None,
        traceparent: None,
        command_id: None,
    };
    match Session::<A>::new(runtime.clone(), stream).execute(&create, &context, None).await {
        Ok(_) => Ok(true),
        Err(CommandError::Refused(_)) => Ok(false),
        Err(error) => Err(anyhow::Error::new(error).context("cannot create client `default`")),
    }
}

fn random_bytes(runtime: &Runtime) -> [u8; 32] {
    runtime.ids.secret()
}
