//! A run over a day: the records of the node's account, then client by client its own records and calls.

use std::collections::BTreeSet;

use chrono::{NaiveDate, TimeDelta};
use domain::billing::matching::{
    DaysMatched, Finding, Judged, MatchCommand, MatchCounts, MatchDay, MatchRan, MatchState, OurCall,
    RecordTable, begin_of, judge, theirs_only,
};
use domain::envelope::Time;
use domain::ids::{BillingMatchId, ClientId};
use domain::ports::StoreUnavailable;
use domain::ports::telephony::CarrierAccount;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::load::{LoadError, load};
use super::{MatchDeps, MatchOptions, of_the_node, stuck};
use crate::session::Session;

/// How far the begin of a call by our clock may be from the carrier's: a call at midnight has its record on either day.
const MARGIN: TimeDelta = TimeDelta::hours(2);
/// Clients that are read at a time.
const CLIENTS: u32 = 200;
/// Findings of one append.
const PORTION: usize = 200;

/// A run over a day, which goes through the clients.
struct Run<'a> {
    deps: &'a MatchDeps,
    options: MatchOptions,
    day: NaiveDate,
    /// When it began: findings are of this moment.
    at: Time,
    lease_lost: &'a CancellationToken,
    /// Records of the node's account; `None`: it has none, or they cannot be had.
    of_node: Option<RecordTable>,
    /// Whether the node has an account whose records cannot be had.
    node_failed: bool,
}

/// What a client's day came to.
enum Of {
    /// It has no account, no calls and no findings.
    Nothing,
    Matched(MatchCounts),
    /// The records of its account cannot be had.
    Failed,
}

/// Matches the calls of all clients on a day; `None` when the lease was lost meanwhile.
pub(super) async fn match_day(
    deps: &MatchDeps,
    options: MatchOptions,
    day: NaiveDate,
    lease_lost: &CancellationToken,
) -> Result<Option<DaysMatched>, StoreUnavailable> {
    let began_at = deps.runtime.clock.now();
    let mut run = Run { deps, options, day, at: began_at, lease_lost, of_node: None, node_failed: false };
    match load(deps, CarrierAccount::Node, run.around(), options.most_legs).await {
        Ok(records) => run.of_node = records,
        Err(error) => {
            failed(&error);
            run.node_failed = true;
        }
    }
    let mut matched =
        DaysMatched { day, began_at, clients: 0, failed: 0, counts: MatchCounts::default(), at: began_at };
    let mut after = None;
    loop {
        let clients = deps.calls.clients(after, CLIENTS).await?;
        let Some(last) = clients.last() else { break };
        after = Some(*last);
        for client in clients.iter().filter(|client| **client != deps.operator) {
            if lease_lost.is_cancelled() {
                return Ok(None);
            }
            let of = run.of_client(*client).await?;
            note(&mut matched, of);
        }
    }
    // the last one, as it gets what of the node's records is nobody's
    let of = run.of_client(deps.operator).await?;
    note(&mut matched, of);
    if lease_lost.is_cancelled() {
        return Ok(None);
    }
    matched.at = deps.runtime.clock.now();
    Ok(Some(matched))
}

fn failed(error: &LoadError) {
    tracing::warn!(%error, "the carrier's records cannot be had");
}

fn note(matched: &mut DaysMatched, of: Of) {
    match of {
        Of::Nothing => {}
        Of::Failed => matched.failed += 1,
        Of::Matched(counts) => {
            matched.clients += 1;
            matched.counts.take(&counts);
        }
    }
}

/// A client's day while it is matched.
struct Findings {
    session: Session<MatchDay>,
    id: BillingMatchId,
    counts: MatchCounts,
    /// What is still to be listed.
    waiting: Vec<Finding>,
    /// Ids of what was found and is listed already, or will be.
    found: BTreeSet<Uuid>,
}

impl Run<'_> {
    /// The day in UTC.
    fn period(&self) -> (Time, Time) {
        let begin = begin_of(self.day);
        (begin, begin + TimeDelta::days(1))
    }

    /// The day, and what is near enough.
    fn around(&self) -> (Time, Time) {
        let (from, to) = self.period();
        (from - MARGIN, to + MARGIN)
    }

    async fn of_client(&mut self, client: ClientId) -> Result<Of, StoreUnavailable> {
        let own = load(self.deps, CarrierAccount::Client(client), self.around(), self.options.most_legs);
        let (mut own, own_failed) = match own.await {
            Ok(own) => (own, false),
            Err(error) => {
                failed(&error);
                (None, true)
            }
        };
        // without its records a client's calls only say which of the node's records are not left over
        let judged = !own_failed && (own.is_some() || !self.node_failed);
        let has_account = own.is_some() || own_failed || self.of_node.is_some() || self.node_failed;
        if !has_account {
            return Ok(Of::Nothing);
        }
        let id = MatchDay::id(client, self.deps.telephony.provider(), self.day);
        let session = Session::new(self.deps.runtime.clone(), id.stream());
        let mut findings = Findings {
            session,
            id,
            counts: MatchCounts::default(),
            waiting: Vec::new(),
            found: BTreeSet::new(),
        };
        findings.session.ensure_loaded().await.map_err(stuck)?;
        let tells = judged && self.tells(client).await?;
        let mut after = None;
        loop {
            let calls = self.deps.calls.calls(client, self.around(), after, self.options.page).await?;
            let Some(last) = calls.last() else { break };
            after = Some((last.began_at, last.id));
            for call in &calls {
                self.of_call(call, own.as_mut(), tells, judged, &mut findings);
            }
            self.list(client, &mut findings, PORTION).await?;
            if self.lease_lost.is_cancelled() {
                return Ok(Of::Nothing);
            }
            tokio::task::yield_now().await;
        }
        if !judged {
            return Ok(Of::Failed);
        }
        self.leftovers(client, own, &mut findings).await?;
        self.finish(client, findings).await
    }

    /// Whether the carrier told what it charged for any call of the client: then it does so for every one.
    async fn tells(&self, client: ClientId) -> Result<bool, StoreUnavailable> {
        let mut after = None;
        loop {
            let calls = self.deps.calls.calls(client, self.around(), after, self.options.page).await?;
            let Some(last) = calls.last() else { return Ok(false) };
            if calls.iter().any(|call| call.told.is_some()) {
                return Ok(true);
            }
            after = Some((last.began_at, last.id));
            tokio::task::yield_now().await;
        }
    }

    fn of_call(
        &mut self,
        call: &OurCall,
        own: Option<&mut RecordTable>,
        tells: bool,
        judged: bool,
        findings: &mut Findings,
    ) {
        let claim = own.and_then(|own| own.claim(call));
        let claim = claim.or_else(|| self.of_node.as_mut()?.claim(call));
        let (from, to) = self.period();
        if !judged || call.began_at < from || to <= call.began_at {
            return;
        }
        match judge(call, claim.as_ref(), tells) {
            Judged::Open => findings.counts.open += 1,
            Judged::Unbilled => findings.counts.unbilled += 1,
            Judged::Matched(finding) => {
                findings.counts.matched += 1;
                // it differed when the day was looked at before
                if findings.session.state().is_open(finding.id(findings.id)) {
                    findings.waiting.push(finding);
                }
            }
            Judged::Found(finding) => findings.take(finding),
        }
    }

    /// The records that no call has: of the client's own account, and for the operator of the node's.
    async fn leftovers(
        &mut self,
        client: ClientId,
        own: Option<RecordTable>,
        findings: &mut Findings,
    ) -> Result<(), StoreUnavailable> {
        let of_node = if client == self.deps.operator { self.of_node.take() } else { None };
        let period = self.period();
        let left = own.into_iter().chain(of_node).flat_map(|records| records.unclaimed(period));
        for finding in left.filter_map(|claim| theirs_only(&claim)) {
            findings.take(finding);
            self.list(client, findings, PORTION).await?;
        }
        self.list(client, findings, 1).await
    }

    /// Lists what was found, once there is so much of it.
    async fn list(
        &self,
        client: ClientId,
        findings: &mut Findings,
        from: usize,
    ) -> Result<(), StoreUnavailable> {
        while findings.waiting.len() >= from.max(1) {
            let rest = findings.waiting.split_off(findings.waiting.len().min(PORTION));
            let portion = std::mem::replace(&mut findings.waiting, rest);
            let list = MatchCommand::List { findings: portion, id: findings.id, at: self.at };
            let context = of_the_node(self.deps, client);
            findings.session.execute(&list, &context, None).await.map_err(stuck)?;
        }
        Ok(())
    }

    async fn finish(&self, client: ClientId, mut findings: Findings) -> Result<Of, StoreUnavailable> {
        let gone: Vec<_> =
            findings.session.state().open().filter(|id| !findings.found.contains(id)).collect();
        let context = of_the_node(self.deps, client);
        for ids in gone.chunks(PORTION) {
            let settle = MatchCommand::Settle { ids: ids.to_vec(), at: self.at };
            findings.session.execute(&settle, &context, None).await.map_err(stuck)?;
        }
        let counts = findings.counts;
        if counts == MatchCounts::default() && findings.session.state().ran().is_none() {
            return Ok(Of::Nothing);
        }
        for state in MatchState::ALL {
            let number = counts.of(*state);
            metrics::counter!(domain::metrics::MATCH_JUDGED, "state" => state.as_str()).increment(number);
        }
        let provider = self.deps.telephony.provider().to_owned();
        let ran = MatchRan { day: self.day, provider, counts, at: self.at };
        findings.session.execute(&MatchCommand::Finish(ran), &context, None).await.map_err(stuck)?;
        Ok(Of::Matched(counts))
    }
}

impl Findings {
    fn take(&mut self, finding: Finding) {
        self.counts.add(finding.state);
        self.found.insert(finding.id(self.id));
        self.waiting.push(finding);
    }
}
