//! Reserves unique values: email addresses and phone numbers.

use std::fmt;
use std::time::Duration;

use actors::session::CommandError;
use actors::{CommandContext, Runtime, Session};
use domain::aggregate::Aggregate as _;
use domain::envelope::{Actor, StreamId, Time, Version};
use domain::ids::ClientId;
use domain::origin::Origin;
use domain::ports::event_store::Direction;
use domain::unique_name::{UniqueName, UniqueNameCommand, UniqueNameRefusal};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::{Builder, Uuid};

/// Email addresses of users.
pub const EMAIL: &str = "email";
/// Phone numbers in use.
pub const NUMBER: &str = "number";
/// Phone numbers in use on a client's own account: they are unique only within the client.
pub const OWN_NUMBER: &str = "own_number";
/// Clients' own names of their customers: unique within the client.
pub const EXTERNAL_ID: &str = "customer's external id";
/// The owner of a client who is about to be removed.
const LEAVING_OWNER: &str = "leaving owner";
/// Events that end a stream for good, and with it the owner's reservations.
const ENDS: [&str; 3] = ["user.deleted", "number.removed", "customer.deleted"];
/// A reservation whose owner was not created within this time was abandoned by a node that died.
const ABANDONED: Duration = Duration::from_secs(60);
/// How long a removal of another owner may take: it is one append.
const LEAVING_TAKES: Duration = Duration::from_secs(2);

/// How often a value is taken over from a holder before the requester gives up.
const TAKE_OVERS: usize = 5;

/// What has become of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Its owner has the value.
    Held,
    /// Its owner had the value, and has it no more.
    Over,
    /// Its owner has not used it so far.
    NotYet,
}

/// Makes reservations. They end with their owner, so nobody has to release them. `Debug` hides the secret.
#[derive(Clone)]
pub struct UniqueNames {
    runtime: Runtime,
    secret: [u8; 32],
}

type ClaimError = CommandError<UniqueNameRefusal>;

impl UniqueNames {
    pub fn new(runtime: Runtime, secret: [u8; 32]) -> Self {
        Self { runtime, secret }
    }

    /// Reserves `value` for the owner, a stream of `category` that is about to begin. Answers whether it was free.
    /// Fails when the log cannot be read or written.
    pub async fn take(
        &self,
        kind: &str,
        value: &str,
        (category, owner): (&'static str, Uuid),
    ) -> Result<bool, ClaimError> {
        let mut session =
            Session::<UniqueName>::on_new_stream(self.runtime.clone(), self.stream(kind, value));
        let mut instead_of = None;
        loop {
            let now = self.runtime.clock.now();
            let take = UniqueNameCommand::Take { owner, instead_of, now };
            match session.execute(&take, &self.context(), None).await {
                Ok(_) => return Ok(true),
                Err(CommandError::Refused(taken)) => {
                    let stream = StreamId::new(category, taken.owner);
                    let free = match self.last_of(&stream).await? {
                        Some(last) => ENDS.contains(&last.as_str()),
                        None => taken.since + ABANDONED <= now,
                    };
                    if !free || instead_of == Some(taken.owner) {
                        return Ok(false);
                    }
                    instead_of = Some(taken.owner);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Reserves a value that its owner may exchange for another one. `hold` tells what the stream that made the
    /// reservation at a time has made of it. Answers whether the value was free. Fails when the log cannot be read or
    /// written.
    pub async fn take_exchangeable(
        &self,
        kind: &str,
        value: &str,
        owner: Uuid,
        hold: impl AsyncFn(Uuid, Time) -> Result<Hold, ClaimError>,
    ) -> Result<bool, ClaimError> {
        let mut session = Session::<UniqueName>::new(self.runtime.clone(), self.stream(kind, value));
        let mut from = None;
        for _ in 0..TAKE_OVERS {
            let now = self.runtime.clock.now();
            let take = match from {
                // a reservation of one's own is renewed: nobody takes it over meanwhile
                None => UniqueNameCommand::Take { owner, instead_of: Some(owner), now },
                Some((from, since)) => UniqueNameCommand::TakeOver { owner, from, since, now },
            };
            match session.execute(&take, &self.context(), None).await {
                Ok(_) => return Ok(true),
                Err(CommandError::Refused(taken)) => {
                    let free = match hold(taken.owner, taken.since).await? {
                        Hold::Held => false,
                        Hold::Over => true,
                        Hold::NotYet => taken.since + ABANDONED <= now,
                    };
                    if !free {
                        return Ok(false);
                    }
                    from = Some((taken.owner, taken.since));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Notes that the key or user `leaving` is about to stop being an owner of `client`. Across all nodes one
    /// removal of a client is noted at a time: a later one replaces it once `is_over` says that the noted owner is
    /// none any more, or once the node that noted it must have died. Fails with [`CommandError::Refused`] while
    /// another owner is being removed, and when the log cannot be read or written.
    pub async fn note_leaving_owner(
        &self,
        client: ClientId,
        leaving: Uuid,
        is_over: impl AsyncFn(Uuid) -> bool,
    ) -> Result<(), ClaimError> {
        let stream = self.stream(LEAVING_OWNER, &client.to_string());
        let mut session = Session::<UniqueName>::new(self.runtime.clone(), stream);
        let mut instead_of = leaving;
        let patience = tokio::time::Instant::now() + LEAVING_TAKES;
        loop {
            let now = self.runtime.clock.now();
            let take = UniqueNameCommand::Take { owner: leaving, instead_of: Some(instead_of), now };
            match session.execute(&take, &self.context(), None).await {
                Err(CommandError::Refused(noted)) => {
                    let head = self.runtime.store.head().await?;
                    if noted.since + ABANDONED <= now || is_over(noted.owner).await {
                        instead_of = noted.owner;
                    } else if tokio::time::timeout_at(patience, self.runtime.store.wait_past(head))
                        .await
                        .is_err()
                    {
                        return Err(CommandError::Refused(noted));
                    }
                }
                done => return done.map(drop),
            }
        }
    }

    /// Type of the last event of a reservation's owner.
    async fn last_of(&self, stream: &StreamId) -> Result<Option<String>, ClaimError> {
        let last = self.runtime.store.read_stream(stream, Version::NONE, Direction::Backwards, 1).await?;
        Ok(last.into_iter().next().map(|event| event.event_type))
    }

    /// The stream of a reservation; its name is a keyed hash, which does not reveal the value.
    fn stream(&self, kind: &str, value: &str) -> StreamId {
        let mut name = [0; 16];
        if let Ok(mac) = Hmac::<Sha256>::new_from_slice(&self.secret) {
            let mac = mac.chain_update(kind).chain_update([0]).chain_update(value).finalize().into_bytes();
            name.copy_from_slice(&mac[..16]);
        }
        StreamId::new(UniqueName::CATEGORY, Builder::from_custom_bytes(name).into_uuid())
    }

    fn context(&self) -> CommandContext {
        CommandContext {
            // a reservation belongs to the node, for it is unique across clients
            client: ClientId(Uuid::nil()),
            correlation_id: self.runtime.ids.next(),
            causation_id: None,
            actor: Actor::System("claims".to_owned()),
            request_id: None,
            traceparent: None,
            command_id: None,
            origin: Origin::default(),
            appends: crate::context::appends(),
        }
    }
}

impl fmt::Debug for UniqueNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UniqueNames(…)")
    }
}
