//! Runs the simulation.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::fake_telnyx::{CallRecord, FakeTelnyx, Ledger, RawHeaders};
use adapters::clock::SystemClock;
use adapters::telephony::telnyx::decode_client_state;
use anyhow::bail;
use chrono::TimeDelta;
use domain::call::terms::Status;
use domain::envelope::Time;
use domain::ids::CallId;
use domain::ports::clock::Clock as _;
use futures::StreamExt as _;
use projections::calls::CallView;
use serde_json::json;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::expect::{Comparison, SimulatedCall};
use super::node::{NodeApi, Refused};
use super::plan::{CLINIC_NUMBER, Kind, OUR_NUMBER, Planned, REFUSING_NUMBER, callees, planned};
use super::progress::Progress;
use super::settings::CarrierSettings;
use super::traffic::Traffic;

/// The most calls in progress at once, the node's included; above it the rate is reduced.
const AT_ONCE: usize = 2_000;
/// A node that sends no command for so long probably sends them elsewhere.
const FIRST_COMMAND: Duration = Duration::from_secs(10);
/// How long the last calls may take at full speed, and how much real time adds to it.
const LAST_CALLS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(120));
/// Time to speak the text of an outbound call.
const REMINDER: Duration = Duration::from_millis(3_500);
/// Pause between two looks at the progress.
const LOOK: Duration = Duration::from_millis(100);
/// Clock differences below this do not hide calls from the comparison.
const SKEW: TimeDelta = TimeDelta::seconds(5);

/// The parties of a simulation.
#[derive(Debug)]
pub struct Stage<'a> {
    pub node: &'a NodeApi,
    pub fake: &'a FakeTelnyx,
    pub settings: &'a CarrierSettings,
    /// Prints a line for each call; `None` prints none.
    pub tell: Option<fn(&str)>,
}

/// Result of a simulation.
#[derive(Debug)]
pub struct Outcome {
    /// Every placed call with the result of its comparison.
    pub calls: Vec<(SimulatedCall, Comparison)>,
    /// How long placing and performing the calls took.
    pub took: Duration,
    /// Faults of the simulation as a whole.
    pub faults: Vec<String>,
    /// Whether a signal interrupted it.
    pub interrupted: bool,
}

impl Outcome {
    /// Whether the node did, and shows, what it should.
    pub fn is_as_expected(&self) -> bool {
        !self.interrupted
            && self.faults.is_empty()
            && !self.calls.iter().any(|(_, verdict)| matches!(verdict, Comparison::Wrong { .. }))
    }
}

/// Places the calls, waits until they are over, and compares. After `stop` it only compares the calls that
/// are over by then.
pub async fn play(stage: &Stage<'_>, traffic: &Traffic, stop: &CancellationToken) -> anyhow::Result<Outcome> {
    let since = stage.get_acquainted().await?;
    let begun = Instant::now();
    let progress = Progress::of(traffic.calls, stage.tell);
    let mut stories = stage.place(traffic, &progress, stop).await?;
    progress.say("waiting for the last calls");
    let (least, real) = LAST_CALLS;
    let last_calls = timeout(least + real.mul_f64(traffic.pace), stage.fake.settled());
    let mut faults = Vec::new();
    if let Some(Err(_)) = stop.run_until_cancelled(last_calls).await {
        faults.push("some calls did not come to their end in time".to_owned());
    }
    let took = begun.elapsed();
    let ledger = stage.fake.ledger();
    find_lines(&mut stories, &ledger);
    progress.say("comparing");
    if stop.is_cancelled() {
        stories.retain(|story| story.line.is_some() || story.trouble.is_some());
    }
    let verdicts = stage.compare(&stories, since, traffic.patience, stop).await?;
    let mut calls: Vec<_> = stories.into_iter().zip(verdicts).collect();
    calls.sort_by_key(|(story, _)| story.number);
    faults.extend(overall(&ledger));
    Ok(Outcome { calls, took, faults, interrupted: stop.is_cancelled() })
}

/// Faults of the simulation as a whole.
fn overall(ledger: &Ledger) -> Vec<String> {
    let totals = &ledger.totals;
    let mut faults = Vec::new();
    if totals.doubled > 0 {
        faults.push(format!("{} effects were asked for twice, under different command ids", totals.doubled));
    }
    if totals.given_up > 0 {
        faults.push(format!("{} webhooks were never taken, after five attempts each", totals.given_up));
    }
    faults
}

/// Finds the carrier's records of the calls that the node placed.
fn find_lines(stories: &mut [SimulatedCall], ledger: &Ledger) {
    let tagged = |state: Option<&str>| decode_client_state(state?).map(|tag| tag.call);
    let lines: HashMap<CallId, &CallRecord> = ledger
        .calls
        .iter()
        .filter(|line| !line.transfer_target)
        .filter_map(|line| Some((tagged(line.client_state.as_deref())?, line)))
        .collect();
    let broken: HashSet<CallId> = ledger
        .commands_named("dial")
        .filter(|dial| dial.status == 500)
        .filter_map(|dial| tagged(dial.body["client_state"].as_str()))
        .collect();
    for story in stories {
        let Some(id) = story.id else { continue };
        story.line = lines.get(&id).map(|line| (*line).clone());
        story.dial_broken = broken.contains(&id);
    }
}

impl Stage<'_> {
    /// Checks that node and carrier know each other. Returns the time from which calls are compared.
    async fn get_acquainted(&self) -> anyhow::Result<Time> {
        let now = SystemClock.now();
        let theirs = self.node.greet().await?;
        // signed, and not JSON: a node that knows the key finds only the body wrong, and stores nothing
        match self.fake.send_raw("not json", RawHeaders::Signed).await {
            Some(400) => {}
            Some(401 | 503) => bail!(self.unheard()),
            Some(status) => bail!("the node answers {status} to webhooks; is {} right?", self.node.base()),
            None => bail!("the node does not answer webhooks in time"),
        }
        self.node.route(OUR_NUMBER, &json!({ "type": "agent" })).await?;
        let clinic = super::demo_menus::open(self.node).await?;
        self.node.route(CLINIC_NUMBER, &json!({ "type": "ivr_menu", "id": clinic })).await?;
        self.node.route(REFUSING_NUMBER, &json!({ "type": "reject" })).await?;
        for (number, _, script) in callees() {
            self.fake.set_callee(number, script);
        }
        Ok(theirs.unwrap_or(now).min(now) - SKEW)
    }

    /// Advice for a node that does not know this carrier.
    fn unheard(&self) -> String {
        format!(
            "the node at {} does not work with this carrier; start it with\n\n{}",
            self.node.base(),
            self.settings.as_environment()
        )
    }

    /// Places the calls, each at its time; returns once all are placed and the inbound ones are over.
    async fn place(
        &self,
        traffic: &Traffic,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> anyhow::Result<Vec<SimulatedCall>> {
        let begun = Instant::now();
        let calls = futures::stream::iter(0..traffic.calls).map(|number| async move {
            tokio::time::sleep_until((begun + traffic.due(number)).into()).await;
            self.perform(traffic, number).await
        });
        let mut calls = std::pin::pin!(calls.buffer_unordered(AT_ONCE));
        let mut ticks = tokio::time::interval(LOOK);
        let mut stories = Vec::new();
        loop {
            tokio::select! {
                story = calls.next() => match story {
                    Some(story) => {
                        progress.over(&story);
                        stories.push(story);
                    }
                    None => return Ok(stories),
                },
                _ = ticks.tick() => {
                    let totals = self.fake.totals();
                    progress.show(&totals);
                    if totals.commands == 0 && totals.accepted > 0 && begun.elapsed() > FIRST_COMMAND {
                        bail!(self.unheard());
                    }
                }
                () = stop.cancelled() => return Ok(stories),
            }
        }
    }

    async fn perform(&self, traffic: &Traffic, number: u32) -> SimulatedCall {
        let plan = planned(traffic.seed, number);
        let (Planned::Inbound(kind, _) | Planned::Outbound(kind)) = plan;
        let mut story = SimulatedCall {
            number: number + 1,
            kind,
            id: None,
            line: None,
            dial_broken: false,
            trouble: None,
        };
        match plan {
            Planned::Inbound(_, script) => story.line = self.fake.place_call(script).await.ended().await,
            Planned::Outbound(_) => match self.call_out(traffic.pace, &mut story).await {
                Ok(()) => {}
                Err(refused) => story.trouble = Some(refused.to_string()),
            },
        }
        story
    }

    async fn call_out(&self, pace: f64, story: &mut SimulatedCall) -> Result<(), Refused> {
        let Some(to) = story.kind.callee() else { return Ok(()) };
        let id = self.node.call_out(OUR_NUMBER, to).await?.id;
        story.id = Some(id);
        if story.kind == Kind::IsHungUpOn {
            let call = self.until(id, |call| call.status == Status::InProgress).await?;
            if call.status != Status::InProgress {
                return Ok(());
            }
            self.node.say(id, "This is a reminder of your appointment tomorrow at ten.").await?;
            sleep(REMINDER.mul_f64(pace)).await;
            self.node.hang_up(id).await?;
        }
        if self.tell.is_some() {
            self.until(id, |_| false).await?;
            find_lines(std::slice::from_mut(story), &self.fake.ledger());
        }
        Ok(())
    }

    /// Waits until the call is as wanted, or over, or a time limit passes.
    async fn until(&self, id: CallId, wanted: impl Fn(&CallView) -> bool) -> Result<CallView, Refused> {
        let begun = Instant::now();
        loop {
            let call = self.node.call(id).await?;
            if wanted(&call) || call.status.is_terminal() || begun.elapsed() > LAST_CALLS.0 {
                return Ok(call);
            }
            sleep(LOOK).await;
        }
    }

    /// Compares repeatedly until nothing can change any more, or the node had enough time.
    async fn compare(
        &self,
        stories: &[SimulatedCall],
        since: Time,
        patience: Duration,
        stop: &CancellationToken,
    ) -> anyhow::Result<Vec<Comparison>> {
        let begun = Instant::now();
        let mut pause = LOOK;
        loop {
            // others may be calling, too
            let shown = self.node.calls_since(since, stories.len() * 2 + 1_000).await?;
            let judged = judge(stories, &shown);
            let settled =
                !judged.iter().any(|verdict| matches!(verdict, Comparison::Wrong { open: true, .. }));
            if settled || begun.elapsed() >= patience || stop.is_cancelled() {
                return Ok(judged);
            }
            stop.run_until_cancelled(sleep(pause)).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }
}

fn judge(stories: &[SimulatedCall], shown: &[CallView]) -> Vec<Comparison> {
    let mut by_id: HashMap<CallId, &CallView> = HashMap::new();
    let mut by_line: HashMap<&str, Vec<&CallView>> = HashMap::new();
    for call in shown {
        by_id.insert(call.id, call);
        if let Some(line) = &call.provider_call_id {
            by_line.entry(line).or_default().push(call);
        }
    }
    let calls_of = |story: &SimulatedCall| {
        let of_line = story.line.as_ref().and_then(|line| by_line.get(line.control_id.as_str()));
        let of_line = of_line.cloned().unwrap_or_default();
        match story.id.and_then(|id| by_id.get(&id)) {
            // the carrier's line may be unknown to the node, the call is not
            Some(call) if of_line.is_empty() => vec![*call],
            _ => of_line,
        }
    };
    stories.iter().map(|story| story.judge(&calls_of(story))).collect()
}
