//! Which call a leg belongs to, under every name the carrier has for it.
//!
//! A webhook names its leg by a leg id, by a control id, or by both, so both names are bound: whichever the next one
//! carries leads to the same call. Each name is a stream of its own whose newest event counts; the version check of the
//! log settles races between nodes and between webhooks that overtake each other.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use domain::call::report::{LegRef, LegRole};
use domain::envelope::Version;
use domain::ids::{CallId, ClientId, LegId};
use domain::leg::{LegBound, LegEvent};
use domain::ports::event_store::{AppendError, Direction, Expected};
use domain::wire::DomainEvent as _;
use futures::future::try_join_all;
use lru::LruCache;

use super::{TakeError, envelope, store_error};
use crate::runtime::Runtime;
use crate::session::CommandError;

/// Names remembered in memory; more than that are looked up in the log.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(131_071);
/// How often the names are read again when another node binds them at the same time.
const ATTEMPTS: usize = 4;

/// Where a leg is to go if none of its names is bound, and what is known of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub call: CallId,
    pub client: ClientId,
    pub role: LegRole,
    /// The client whose own account with the carrier tells of the leg: it names no other client's legs.
    pub account: Option<ClientId>,
    /// The leg bears our own tag: that says more than what its names were bound to before.
    pub tagged: bool,
    /// It rings at a number of ours: such a leg is never the one a transfer placed.
    pub offered: bool,
}

/// The bindings of legs.
#[derive(Debug)]
pub(super) struct Bindings {
    runtime: Runtime,
    remembered: Mutex<LruCache<LegId, LegBound>>,
}

#[derive(Clone, Copy)]
struct Name {
    id: LegId,
    bound: Option<LegBound>,
    version: Version,
}

impl Wanted {
    fn may_name(&self, client: ClientId) -> bool {
        self.account.is_none_or(|account| account == client)
    }

    /// Whether the leg was never heard of: nothing is looked up, the log refuses the write if that is wrong.
    fn begins(&self) -> bool {
        self.offered && !self.tagged
    }
}

impl Bindings {
    pub(super) fn new(runtime: Runtime) -> Self {
        Self { runtime, remembered: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    /// The call a leg belongs to: what its names are bound to, or else what is wanted. All names the report knows lead
    /// there afterwards: before anything is written of the call, for a webhook with another name may be the next.
    ///
    /// # Errors
    /// [`CommandError::OtherClient`] where a name leads to a call that the account may not name.
    pub(super) async fn bind(
        &self,
        provider: &str,
        leg: &LegRef,
        wanted: Wanted,
    ) -> Result<LegBound, TakeError> {
        let ids = names_of(provider, leg);
        if let Some(leg) = self.all_remembered(&ids, wanted) {
            return if wanted.may_name(leg.client) { Ok(leg) } else { Err(CommandError::OtherClient) };
        }
        // of a leg with one name the other one may have been told before
        if wanted.begins() && ids.len() > 1 {
            let nothing = |id: &LegId| Name { id: *id, bound: None, version: Version::NONE };
            let (names, leg): (Vec<Name>, _) = (ids.iter().map(nothing).collect(), self.as_wanted(wanted));
            if self.write_all(&names, leg, provider).await? {
                ids.iter().for_each(|id| self.remember(*id, leg));
                return Ok(leg);
            }
        }
        for _ in 0..ATTEMPTS {
            let names = try_join_all(ids.iter().map(|id| self.read(*id))).await?;
            if names.iter().filter_map(|name| name.bound).any(|bound| !wanted.may_name(bound.client)) {
                return Err(CommandError::OtherClient);
            }
            let (one_name, unbound) = (ids.len() == 1, names.iter().all(|name| name.bound.is_none()));
            let session = match leg.session_id.as_deref() {
                Some(session) if !wanted.tagged && (one_name || unbound) => {
                    self.session(provider, session, one_name, wanted).await?
                }
                _ => None,
            };
            // a transfer's session says nothing of a leg that is known
            let is_target =
                |name: &Name| name.bound.is_some_and(|bound| bound.role == LegRole::TransferTarget);
            let session = session.filter(|session| unbound || !is_target(session));
            // first, so that two that know one name each meet there
            let names: Vec<Name> = session.into_iter().chain(names).collect();
            let leg = decide(&names, wanted).unwrap_or_else(|| self.as_wanted(wanted));
            if self.write_all(&names, leg, provider).await? {
                ids.iter().for_each(|id| self.remember(*id, leg));
                return Ok(leg);
            }
        }
        Err(CommandError::Contended)
    }

    /// Whether all names are bound so. One after the other and in the same order everywhere, so that of two that bind the
    /// same leg at once one stops at the first.
    async fn write_all(&self, names: &[Name], leg: LegBound, provider: &str) -> Result<bool, TakeError> {
        for name in names.iter().filter(|name| !name.bound.is_some_and(|bound| same(bound, leg))) {
            if !self.write(*name, leg, provider).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// From now on a leg that names nothing but the session of this call's leg is the one a transfer placed.
    pub(super) async fn expect_target(
        &self,
        provider: &str,
        session: &str,
        call: CallId,
        client: ClientId,
    ) -> Result<(), TakeError> {
        let bound = LegBound { call, client, role: LegRole::TransferTarget, at: self.runtime.clock.now() };
        let name = self.read(session_name(provider, session)).await?;
        match name.bound.is_some_and(|before| same(before, bound)) {
            true => Ok(()),
            // another node may have been faster with the same
            false => self.write(name, bound, provider).await.map(|_| ()),
        }
    }

    fn as_wanted(&self, wanted: Wanted) -> LegBound {
        let Wanted { call, client, role, .. } = wanted;
        LegBound { call, client, role, at: self.runtime.clock.now() }
    }

    /// The name of a leg's session, where it can say more than the leg's own: which leg it is of which only one name is
    /// told, or which call placed it by a transfer.
    async fn session(
        &self,
        provider: &str,
        session: &str,
        one_name: bool,
        wanted: Wanted,
    ) -> Result<Option<Name>, TakeError> {
        let name = self.read(session_name(provider, session)).await?;
        let says = |bound: LegBound| match bound.role {
            _ if !wanted.may_name(bound.client) => false,
            LegRole::Main => one_name,
            LegRole::TransferTarget => !wanted.offered,
        };
        Ok(match name.bound {
            Some(bound) => says(bound).then_some(name),
            None => one_name.then_some(name),
        })
    }

    async fn read(&self, id: LegId) -> Result<Name, TakeError> {
        let events =
            self.runtime.store.read_stream(&id.stream(), Version::NONE, Direction::Backwards, 1).await?;
        let Some(last) = events.first() else { return Ok(Name { id, bound: None, version: Version::NONE }) };
        let LegEvent::Bound(bound) = LegEvent::decode(&last.event_type, last.schema, &last.payload)
            .map_err(CommandError::Unreadable)?;
        Ok(Name { id, bound: Some(bound), version: last.version })
    }

    /// Whether the name is bound so; not if another node was faster, or may have been.
    async fn write(&self, name: Name, bound: LegBound, provider: &str) -> Result<bool, TakeError> {
        let event = envelope(&self.runtime, &LegEvent::Bound(bound), bound.client, bound.call.0, provider);
        let expected = Expected::Exact(name.version);
        match self.runtime.store.append(&name.id.stream(), expected, vec![event]).await {
            Ok(_) => Ok(true),
            Err(AppendError::Conflict { .. } | AppendError::Unknown(_)) => Ok(false),
            Err(error) => Err(store_error(error)),
        }
    }

    fn all_remembered(&self, ids: &[LegId], wanted: Wanted) -> Option<LegBound> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bound = ids.iter().map(|id| remembered.get(id).copied());
        let first = bound.next()??;
        let agree = bound.all(|other| other.is_some_and(|other| same(other, first)));
        (agree && (!wanted.tagged || first.call == wanted.call)).then_some(first)
    }

    fn remember(&self, id: LegId, bound: LegBound) {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).put(id, bound);
    }
}

/// What the names say. Where they disagree, what was bound first: the same for everybody who looks.
fn decide(names: &[Name], wanted: Wanted) -> Option<LegBound> {
    let known = || names.iter().filter_map(|name| name.bound);
    let first = known().min_by_key(|bound| (bound.at, bound.call.0))?;
    if !wanted.tagged {
        return Some(first);
    }
    let ours = known().find(|bound| bound.call == wanted.call && bound.client == wanted.client);
    let Wanted { call, client, role, .. } = wanted;
    Some(ours.unwrap_or(LegBound { call, client, role, at: first.at }))
}

fn same(one: LegBound, other: LegBound) -> bool {
    (one.call, one.client, one.role) == (other.call, other.client, other.role)
}

/// The name that commands take comes first: most webhooks carry it.
fn names_of(provider: &str, leg: &LegRef) -> Vec<LegId> {
    let control_id = leg.control_id.as_ref().filter(|control_id| **control_id != leg.leg_id);
    control_id.into_iter().chain([&leg.leg_id]).map(|name| LegId::of(provider, name)).collect()
}

fn session_name(provider: &str, session: &str) -> LegId {
    LegId::of(provider, &format!("session\n{session}"))
}
