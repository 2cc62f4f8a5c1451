//! A run over a day: the records of the node's account, then client by client its own records and calls.

use std::collections::BTreeSet;

use chrono::{NaiveDate, TimeDelta};
use domain::billing::matching::{
    CallKind, DaysMatched, Finding, Judged, MatchCommand, MatchCounts, MatchDay, MatchRan, MatchState,
    MatchTerms, OurCall, begin_of, judge, theirs_only,
};
use domain::envelope::Time;
use domain::ids::{BillingMatchId, CallId, ClientId};
use domain::ports::StoreUnavailable;
use domain::ports::telephony::CarrierAccount;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::account::{Account, is_covered};
use super::load::Records;
use super::{MatchDeps, MatchOptions, of_the_node, stuck};
use crate::session::Session;

/// What is read on either side of a day: the longest call, whose last leg may begin at its end, and two clocks. By then
/// every call of the day has ended, too.
const MARGIN: TimeDelta = TimeDelta::hours(6);
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
    of_node: Account,
    /// Clients that the carrier told what it charged for a call.
    told: BTreeSet<ClientId>,
}

/// What a client's day came to.
enum Of {
    /// It has no account, no calls and no findings.
    Nothing,
    Matched(MatchCounts),
    /// Records that are needed cannot be had: some of its calls are not judged.
    Failed {
        may_pass: bool,
    },
}

/// What a day came to, over all attempts.
#[derive(Debug, Clone)]
pub(super) struct DayRun {
    /// `failed` counts those that are not tried again.
    matched: DaysMatched,
    /// Clients whose records may be had later.
    again: BTreeSet<ClientId>,
}

impl DayRun {
    /// Whether another attempt may find more.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.again.is_empty()
    }

    /// The result, when no further attempt is made.
    pub(super) fn into_matched(mut self) -> DaysMatched {
        self.matched.failed += self.again.len() as u64;
        self.matched
    }

    fn note(&mut self, client: ClientId, of: Of) {
        match of {
            Of::Nothing => {}
            Of::Failed { may_pass: true } => {
                self.again.insert(client);
            }
            Of::Failed { may_pass: false } => self.matched.failed += 1,
            Of::Matched(counts) => {
                self.matched.clients += 1;
                self.matched.counts.take(&counts);
            }
        }
    }
}

/// Matches the calls of all clients on a day, or of those that an attempt before left. Answers `None` when the lease was
/// lost before the end.
pub(super) async fn match_day(
    deps: &MatchDeps,
    options: MatchOptions,
    day: NaiveDate,
    before: Option<&DayRun>,
    lease_lost: &CancellationToken,
) -> Result<Option<DayRun>, StoreUnavailable> {
    let at = deps.runtime.clock.now();
    let (of_node, told) = (Account::Missing, BTreeSet::new());
    let mut run = Run { deps, options, day, at, lease_lost, of_node, told };
    run.of_node = run.account(CarrierAccount::Node).await;
    let clients = run.clients().await?;
    run.reserve_all(&clients).await?;
    let mut done = match before {
        Some(before) => DayRun { again: BTreeSet::new(), ..before.clone() },
        None => {
            let counts = MatchCounts::default();
            let matched = DaysMatched { day, began_at: at, clients: 0, failed: 0, counts, at };
            DayRun { matched, again: BTreeSet::new() }
        }
    };
    let is_wanted = |client: &ClientId| before.is_none_or(|before| before.again.contains(client));
    for client in &clients {
        if lease_lost.is_cancelled() {
            return Ok(None);
        }
        if is_wanted(client) {
            let of = run.of_client(*client).await?;
            done.note(*client, of);
        } else if is_wanted(&deps.operator) {
            run.claim_all(*client).await?;
        }
    }
    if lease_lost.is_cancelled() {
        return Ok(None);
    }
    done.matched.at = deps.runtime.clock.now();
    Ok(Some(done))
}

/// A client's day while it is matched.
struct Findings {
    session: Session<MatchDay>,
    id: BillingMatchId,
    counts: MatchCounts,
    /// What is still to be listed.
    waiting: Vec<Finding>,
    /// Ids of records of the carrier's that were found and are listed already, or will be.
    found: BTreeSet<Uuid>,
    /// Ids of calls that are listed and have nothing to match.
    none: Vec<Uuid>,
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

    async fn account(&self, account: CarrierAccount) -> Account {
        Account::read(self.deps, account, self.around(), self.options.most_legs).await
    }

    /// All clients. The operator is the last one, as it gets what of the node's records is nobody's.
    async fn clients(&self) -> Result<Vec<ClientId>, StoreUnavailable> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.deps.calls.clients(after, CLIENTS).await?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            all.extend(page.into_iter().filter(|client| *client != self.deps.operator));
        }
        all.push(self.deps.operator);
        Ok(all)
    }

    /// Goes through the client's calls around the day, without what the ledger has.
    async fn each_call(
        &self,
        client: ClientId,
        mut each: impl FnMut(&OurCall),
    ) -> Result<(), StoreUnavailable> {
        let mut after = None;
        while !self.lease_lost.is_cancelled() {
            let calls = self.deps.calls.legs(client, self.around(), after, self.options.page).await?;
            let Some(last) = calls.last() else { break };
            after = Some((last.began_at, last.id));
            calls.iter().filter(|call| call.kind != CallKind::Merged).for_each(&mut each);
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Says in the records which legs are the client's calls' own, before any call takes those of its session. Answers
    /// whether the carrier told what it charged for one of them: then it does so for every one.
    async fn reserve(&self, client: ClientId, records: &mut Records) -> Result<bool, StoreUnavailable> {
        let mut told = false;
        let reserve = |call: &OurCall| {
            told |= call.told.is_some();
            call.leg.into_iter().for_each(|leg| records.table.reserve(leg));
        };
        self.each_call(client, reserve).await?;
        Ok(told)
    }

    /// As [`Run::reserve`], for the node's records and all clients.
    async fn reserve_all(&mut self, clients: &[ClientId]) -> Result<(), StoreUnavailable> {
        let mut of_node = std::mem::replace(&mut self.of_node, Account::Missing);
        if let Some(records) = of_node.records() {
            for client in clients {
                if self.reserve(*client, records).await? {
                    self.told.insert(*client);
                }
            }
        }
        self.of_node = of_node;
        Ok(())
    }

    /// Takes the records of the client's calls out of the node's, so that they are not left over.
    async fn claim_all(&mut self, client: ClientId) -> Result<(), StoreUnavailable> {
        let mut of_node = std::mem::replace(&mut self.of_node, Account::Missing);
        let claimed = self.each_call(client, |call| {
            of_node.claim(call);
        });
        claimed.await?;
        self.of_node = of_node;
        Ok(())
    }

    async fn of_client(&mut self, client: ClientId) -> Result<Of, StoreUnavailable> {
        let mut own = self.account(CarrierAccount::Client(client)).await;
        let mut tells = self.told.contains(&client);
        if let Some(records) = own.records() {
            tells |= self.reserve(client, records).await?;
        }
        // without its records a client's calls only say which of the node's records are not left over
        let failure = own.failure().or_else(|| self.of_node.failure().filter(|_| !own.is_read()));
        if let Some(may_pass) = failure {
            self.claim_all(client).await?;
            return Ok(Of::Failed { may_pass });
        }
        if !own.is_read() && !self.of_node.is_read() {
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
            none: Vec::new(),
        };
        findings.session.ensure_loaded().await.map_err(stuck)?;
        let charged_since = self.deps.calls.charged_since(client).await?;
        let terms = MatchTerms { tells, charged_since, over: self.at >= self.around().1 };
        let mut after: Option<(Time, CallId)> = None;
        loop {
            let calls = self.deps.calls.calls(client, self.around(), after, self.options.page).await?;
            let Some(last) = calls.last() else { break };
            after = Some((last.began_at, last.id));
            for call in &calls {
                self.of_call(call, &mut own, &terms, &mut findings);
            }
            self.list(client, &mut findings, PORTION).await?;
            if self.lease_lost.is_cancelled() {
                return Ok(Of::Nothing);
            }
            tokio::task::yield_now().await;
        }
        let is_operator = client == self.deps.operator;
        let needs_node = is_operator || findings.counts.unread > 0;
        let failure = self.of_node.failure().filter(|_| needs_node);
        // what another account had is not gone because this one has it not
        let of_operator = is_operator && self.of_node.is_read();
        let settles = (own.is_read() || of_operator) && failure.is_none();
        self.leftovers(client, own, &mut findings).await?;
        let of = self.finish(client, findings, settles).await?;
        Ok(failure.map_or(of, |may_pass| Of::Failed { may_pass }))
    }

    fn of_call(&mut self, call: &OurCall, own: &mut Account, terms: &MatchTerms, findings: &mut Findings) {
        let (from, to) = self.period();
        let is_of_day = from <= call.began_at && call.began_at < to;
        if call.kind == CallKind::Merged {
            findings.is_none(call);
            return;
        }
        let claim = own.claim(call).or_else(|| self.of_node.claim(call));
        if !is_of_day {
            return;
        }
        if claim.is_none() && call.leg.is_some() && !is_covered(call, [own, &self.of_node]) {
            findings.counts.unread += 1;
            return;
        }
        match judge(call, claim.as_ref(), terms) {
            Judged::Open => findings.counts.open += 1,
            Judged::Unbilled => {
                findings.counts.unbilled += 1;
                findings.is_none(call);
            }
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
        own: Account,
        findings: &mut Findings,
    ) -> Result<(), StoreUnavailable> {
        let of_node = match client == self.deps.operator {
            true => std::mem::replace(&mut self.of_node, Account::Missing),
            false => Account::Missing,
        };
        let period = self.period();
        for account in [own, of_node] {
            let Account::Read(records) = account else { continue };
            for finding in records.table.unclaimed(period).filter_map(|claim| theirs_only(&claim)) {
                findings.take(finding);
                self.list(client, findings, PORTION).await?;
            }
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
            for finding in &portion {
                if findings.session.state().is_news(finding.id(findings.id), finding) {
                    let state = finding.state.as_str();
                    metrics::counter!(domain::metrics::MATCH_LISTED, "state" => state).increment(1);
                }
            }
            let list = MatchCommand::List { findings: portion, id: findings.id, at: self.at };
            let context = of_the_node(self.deps, client);
            findings.session.execute(&list, &context, None).await.map_err(stuck)?;
        }
        Ok(())
    }

    async fn finish(
        &self,
        client: ClientId,
        mut findings: Findings,
        settles: bool,
    ) -> Result<Of, StoreUnavailable> {
        let records = findings.session.state().open_records().filter(|_| settles);
        let mut gone: Vec<_> = records.filter(|id| !findings.found.contains(id)).collect();
        gone.append(&mut findings.none);
        let context = of_the_node(self.deps, client);
        for ids in gone.chunks(PORTION) {
            let settle = MatchCommand::Settle { ids: ids.to_vec(), at: self.at };
            findings.session.execute(&settle, &context, None).await.map_err(stuck)?;
        }
        let counts = findings.counts;
        if counts == MatchCounts::default() && findings.session.state().ran().is_none() {
            return Ok(Of::Nothing);
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
        if finding.state == MatchState::TheirsOnly {
            self.found.insert(finding.id(self.id));
        }
        self.waiting.push(finding);
    }

    /// The call is none, or nobody charges for it: what was listed of it is settled.
    fn is_none(&mut self, call: &OurCall) {
        let id = Finding::id_of_call(call.id, self.id);
        if self.session.state().is_open(id) {
            self.none.push(id);
        }
    }
}
