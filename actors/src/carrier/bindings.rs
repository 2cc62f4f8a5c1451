//! Which call a leg belongs to, under every name the carrier has for it.
//!
//! A webhook names its leg by a leg id, by a control id, or by both, so both names are bound: whichever name the
//! next webhook carries leads to the same call. Each name is a stream of its own, and its newest event counts. The
//! log's expected-version check settles races between nodes and between webhooks that overtake each other.

use std::num::NonZeroUsize;
use std::time::Duration;

use domain::call::report::{LegRef, LegRole};
use domain::envelope::Version;
use domain::ids::{CallId, ClientId, LegId};
use domain::leg::{LegBound, LegEvent};
use domain::ports::event_store::{AppendError, Direction, Expected};
use domain::wire::DomainEvent as _;
use futures::future::{select_all, try_join_all};
use lru::LruCache;
use parking_lot::Mutex;
use tokio_util::sync::DropGuard;

use super::dials::DialsInFlight;
use super::{TakeError, envelope, store_error};
use crate::runtime::Runtime;
use crate::session::CommandError;

/// Names cached in memory; other names are looked up in the log.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(131_071);
/// How long a webhook of an unknown leg waits for the answers to dials in flight: longer than most take, and short
/// enough to answer the carrier in time whatever comes of it.
const WAIT_FOR_DIALS: Duration = Duration::from_millis(700);
/// How often the names are read again when another node binds them at the same time.
const ATTEMPTS: usize = 4;

/// Where a leg goes if none of its names is bound, and what is known about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub call: CallId,
    pub client: ClientId,
    pub role: LegRole,
    /// The client whose own carrier account the report came from: it may not name other clients' legs. `None`
    /// for the node's account.
    pub account: Option<ClientId>,
    /// The leg carries our own tag, which overrides what its names were bound to before.
    pub tagged: bool,
    /// The leg is an inbound call to one of our numbers, so it is never the target leg of a transfer.
    pub offered: bool,
}

#[derive(Debug)]
pub(super) struct Bindings {
    runtime: Runtime,
    remembered: Mutex<LruCache<LegId, LegBound>>,
    dials: DialsInFlight,
}

#[derive(Clone, Copy)]
struct Name {
    id: LegId,
    bound: Option<LegBound>,
    version: Version,
    /// Whether it names the session that the leg belongs to, not the leg itself.
    of_session: bool,
}

impl Wanted {
    fn may_name(&self, client: ClientId) -> bool {
        self.account.is_none_or(|account| account == client)
    }

    /// Whether the leg is thought to be new. Then its names are not looked up first; the log refuses the write
    /// if one is bound.
    fn begins(&self) -> bool {
        self.offered && !self.tagged
    }
}

impl Bindings {
    pub(super) fn new(runtime: Runtime) -> Self {
        let remembered = Mutex::new(LruCache::new(REMEMBERED));
        Self { runtime, remembered, dials: DialsInFlight::default() }
    }

    /// While the guard lives, webhooks of unknown legs wait for a while: one of them may be about this dial.
    pub(super) fn begin_dial(&self, client: ClientId) -> DropGuard {
        self.dials.begin(client)
    }

    /// Answers the call a leg belongs to: the one its names are bound to, otherwise `wanted`. Afterwards all names
    /// in the report are bound to that call. This happens before anything is written about the call, because the
    /// next webhook may carry another name.
    ///
    /// Fails with [`CommandError::OtherClient`] when a name leads to a call of a client that the account may not name.
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
        // the other name of a leg with one name may be known already
        if wanted.begins() && ids.len() > 1 {
            let nothing =
                |id: &LegId| Name { id: *id, bound: None, version: Version::NONE, of_session: false };
            let (names, leg): (Vec<Name>, _) = (ids.iter().map(nothing).collect(), self.as_wanted(wanted));
            if self.write_all(&names, leg, provider).await? {
                ids.iter().for_each(|id| self.remember(*id, leg));
                return Ok(leg);
            }
        }
        let mut may_wait = !wanted.tagged && !wanted.offered;
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
            if unbound
                && session.is_none_or(|session| session.bound.is_none())
                && std::mem::take(&mut may_wait)
                && self.waited_for_dials(&ids, wanted.account).await
            {
                continue;
            }
            // a known leg is not moved to the transfer that its session is bound to
            let is_target =
                |name: &Name| name.bound.is_some_and(|bound| bound.role == LegRole::TransferTarget);
            let session = session.filter(|session| unbound || !is_target(session));
            // the session name is written first, so that two webhooks that know one name each conflict there
            let names: Vec<Name> = session.into_iter().chain(names).collect();
            let leg = decide(&names, wanted).unwrap_or_else(|| self.as_wanted(wanted));
            if self.write_all(&names, leg, provider).await? {
                ids.iter().for_each(|id| self.remember(*id, leg));
                return Ok(leg);
            }
        }
        Err(CommandError::Contended)
    }

    /// Binds all names; answers `false` when another writer was faster. Names are written one after the other and
    /// in the same order everywhere, so that of two concurrent writers one stops at the first name.
    async fn write_all(&self, names: &[Name], leg: LegBound, provider: &str) -> Result<bool, TakeError> {
        for name in names.iter().filter(|name| !name.bound.is_some_and(|bound| same(bound, leg))) {
            // legs of several calls may share a session
            let before = name.bound.filter(|_| !name.of_session);
            if !self.write(*name, leg.in_place_of(before), provider).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until the dials in flight are answered, one of them has bound one of the names, or the carrier has
    /// waited long enough. Answers whether there was anything to wait for.
    async fn waited_for_dials(&self, ids: &[LegId], account: Option<ClientId>) -> bool {
        let dials = self.dials.now(account);
        if dials.is_empty() {
            return false;
        }
        let clock = &self.runtime.clock;
        let latest = clock.now() + WAIT_FOR_DIALS;
        let mut answers: Vec<_> = dials.into_iter().map(|dial| Box::pin(dial.cancelled_owned())).collect();
        while !answers.is_empty() && !self.any_remembered(ids) {
            tokio::select! {
                ((), _, others) = select_all(answers) => answers = others,
                () = clock.sleep_until(latest) => break,
            }
        }
        true
    }

    fn any_remembered(&self, ids: &[LegId]) -> bool {
        let remembered = self.remembered.lock();
        ids.iter().any(|id| remembered.contains(id))
    }

    /// Has those names of a leg that lead to `from`, and its session's if that does, lead to another call.
    ///
    /// Fails with [`CommandError::Contended`] when another node binds one of them at the same time.
    pub(super) async fn redirect(
        &self,
        provider: &str,
        leg: &LegRef,
        from: CallId,
        to: LegBound,
    ) -> Result<(), TakeError> {
        let ids = names_of(provider, leg);
        let mut names = try_join_all(ids.iter().map(|id| self.read(*id))).await?;
        if let Some(session) = &leg.session_id {
            names.push(self.read_session(provider, session).await?);
        }
        names.retain(|name| name.bound.is_some_and(|bound| bound.call == from));
        if !self.write_all(&names, to, provider).await? {
            return Err(CommandError::Contended);
        }
        names.iter().filter(|name| !name.of_session).for_each(|name| self.remember(name.id, to));
        Ok(())
    }

    /// From now on a leg that names only this session is the target leg that a transfer of this call placed.
    pub(super) async fn expect_target(
        &self,
        provider: &str,
        session: &str,
        call: CallId,
        client: ClientId,
    ) -> Result<(), TakeError> {
        let (role, at) = (LegRole::TransferTarget, self.runtime.clock.now());
        let bound = LegBound { call, client, role, at, own_account: false, instead_of: None };
        let name = self.read_session(provider, session).await?;
        match name.bound.is_some_and(|before| same(before, bound)) {
            true => Ok(()),
            // another node may have written the same binding first
            false => self.write(name, bound, provider).await.map(|_| ()),
        }
    }

    fn as_wanted(&self, wanted: Wanted) -> LegBound {
        let Wanted { call, client, role, account, .. } = wanted;
        let (at, own_account) = (self.runtime.clock.now(), account.is_some());
        LegBound { call, client, role, at, own_account, instead_of: None }
    }

    /// The binding of a leg's session, when it says more than the leg's own names: it identifies a leg for which
    /// only one name is given, or the call that placed a leg by a transfer.
    async fn session(
        &self,
        provider: &str,
        session: &str,
        one_name: bool,
        wanted: Wanted,
    ) -> Result<Option<Name>, TakeError> {
        let name = self.read_session(provider, session).await?;
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
        let of_session = false;
        let Some(last) = events.first() else {
            return Ok(Name { id, bound: None, version: Version::NONE, of_session });
        };
        let LegEvent::Bound(bound) = LegEvent::decode(&last.event_type, last.schema, &last.payload)
            .map_err(CommandError::Unreadable)?;
        Ok(Name { id, bound: Some(bound), version: last.version, of_session })
    }

    async fn read_session(&self, provider: &str, session: &str) -> Result<Name, TakeError> {
        let name = self.read(session_name(provider, session)).await?;
        Ok(Name { of_session: true, ..name })
    }

    /// Appends the binding; answers `false` when another node was faster, or when the append's outcome is unknown.
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
        let mut remembered = self.remembered.lock();
        let mut bound = ids.iter().map(|id| remembered.get(id).copied());
        let first = bound.next()??;
        let agree = bound.all(|other| other.is_some_and(|other| same(other, first)));
        (agree && (!wanted.tagged || first.call == wanted.call)).then_some(first)
    }

    fn remember(&self, id: LegId, bound: LegBound) {
        self.remembered.lock().put(id, bound);
    }
}

/// The binding that the names agree on. Where they disagree, the earliest binding counts, so that every reader
/// decides alike; our own tag overrides it.
fn decide(names: &[Name], wanted: Wanted) -> Option<LegBound> {
    let known = || names.iter().filter_map(|name| name.bound);
    let first = known().min_by_key(|bound| (bound.at, bound.call.0))?;
    if !wanted.tagged {
        return Some(first);
    }
    let ours = known().find(|bound| bound.call == wanted.call && bound.client == wanted.client);
    let Wanted { call, client, role, account, .. } = wanted;
    let own_account = account.is_some();
    Some(ours.unwrap_or(LegBound { call, client, role, at: first.at, own_account, instead_of: None }))
}

fn same(one: LegBound, other: LegBound) -> bool {
    (one.call, one.client, one.role) == (other.call, other.client, other.role)
}

/// All names of a leg. The control id comes first, because most webhooks carry it.
fn names_of(provider: &str, leg: &LegRef) -> Vec<LegId> {
    let control_id = leg.control_id.as_ref().filter(|control_id| **control_id != leg.leg_id);
    control_id.into_iter().chain([&leg.leg_id]).map(|name| LegId::of(provider, name)).collect()
}

fn session_name(provider: &str, session: &str) -> LegId {
    LegId::of(provider, &format!("session\n{session}"))
}
