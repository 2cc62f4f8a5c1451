//! `voxledger demo`: a fresh node with sample data, and calls to it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use actix::System;
use adapters::clock::SystemClock;
use adapters::ids::RandomIds;
use adapters::llm::SCRIPTED_MODEL;
use anyhow::Context as _;
use clap::Args;
use domain::ports::ids::Ids as _;
use serde_json::json;
use simulator::fake_stripe::FakeStripe;
use simulator::fake_telnyx::FakeTelnyx;
use simulator::{CarrierSettings, NodeApi, OUR_NUMBER, Stage, WebhookReceiver, callees, demo_credit, play};

use super::serve::{runtime, show_owner_key};
use super::simulate::{TrafficArgs, report, told_to_stop};
use crate::out::{put, say};
use api_http::auth::PlainKey;
use api_node::config::{Config, Sources};
use api_node::telemetry::Telemetry;
use api_node::{Edges, Node, until_told_to_stop};

/// Conversations with the agent that the demo has before the calls.
const TALKS: [&[&str]; 3] = [
    &["Hello, my name is Ada", "What is my name?", "Thank you, that is wonderful"],
    &["I am angry, this is the third time I have to ask"],
    &["Are you open on Saturday?"],
];
/// Default number of calls, calls per second, and pace: enough to see something, slow enough to see it.
const USUAL: (u32, f64, f64) = (20, 2.0, 0.5);

/// Flags of the command `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Address of the API; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<SocketAddr>,
    /// Stop once the calls are over, instead of continuing to serve.
    #[arg(long)]
    pub once: bool,
    /// The calls to place.
    #[command(flatten)]
    pub traffic: TrafficArgs,
}

/// Runs a node and a carrier in one process, on a temporary folder, until stopped. Fails when the node cannot start.
pub fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on 127.0.0.1")?;
    let carrier = CarrierSettings::at(listener.local_addr()?);
    let till = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on 127.0.0.1")?;
    let secret = || PlainKey::generate(|| RandomIds.secret()).reveal().to_owned();
    let (stripe_key, stripe_secret) = (secret(), secret());
    let stripe = [
        ("stripe.api_base", format!("http://{}", till.local_addr()?)),
        ("stripe.api_key", stripe_key.clone()),
        ("stripe.webhook_secret", stripe_secret.clone()),
    ];
    let config = quiet_config(&carrier, stripe, args.bind)?;
    let bind = config.http.bind;
    let mut config = config.in_folder(folder.path());
    config.http.bind = bind;
    // the webhook receiver is on this machine
    config.webhooks.allow_private = true;
    let key =
        config.keys.bootstrap_key.get_or_insert_with(|| PlainKey::generate(|| RandomIds.secret())).clone();
    let telemetry = Telemetry::start(&config.telemetry)?;
    System::with_tokio_rt(runtime).block_on(async {
        let stop = told_to_stop();
        let edges = Edges::connect(&config).await?;
        let node = Node::start(&config, edges, telemetry.meters(), show_owner_key).await?;
        let url = format!("http://{}", node.address);
        put!("{}", welcome(&url, key.reveal()));
        let api = NodeApi::new(&url, key.reveal())?;
        let stripe = FakeStripe::start_on(till, &stripe_key, &stripe_secret, Arc::new(SystemClock))?;
        stripe.deliver_to(&format!("{url}/api/v1/webhooks/stripe"));
        demo_credit::set_up(&api).await?;
        let receiver = WebhookReceiver::start()?;
        api.deliver_to(&receiver.url).await?;
        // answers by rules: it needs no account
        let agent = json!({"name": "Front desk", "provider": "scripted", "model": SCRIPTED_MODEL,
            "system_prompt": "You answer the phone for Riverside Clinic.",
            "greeting": "Riverside Clinic, this is the demo agent. How can I help?"});
        let agent = api.make_agent(&agent).await?;
        for words in TALKS {
            api.talk(&agent, words).await?;
        }
        let (calls, rate, pace) = USUAL;
        let traffic = args.traffic.clone().or(calls, rate, pace);
        let settings = traffic.carrier(&carrier, &api.webhook_url());
        let fake = FakeTelnyx::start_on(listener, settings, Arc::new(SystemClock)).await?;
        let stage = Stage { node: &api, fake: &fake, settings: &carrier, tell: Some(|line| say!("{line}")) };
        let outcome = play(&stage, &traffic.traffic(), &stop).await?;
        put!("{}", report(&outcome, &fake.ledger()));
        put!("{}", receiver.told());
        if !args.once && !outcome.interrupted {
            put!("{}", what_next(&url, &agent));
            stop.cancelled().await;
        }
        fake.shutdown().await;
        stripe.stop().await;
        // a second signal cuts the shutdown short
        tokio::select! {
            _ = node.stop(std::time::Duration::ZERO) => {}
            again = until_told_to_stop() => drop(again?),
        }
        let fine = outcome.is_as_expected() || !args.once;
        Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// The configuration of this process, with fewer log lines and the settings of the carrier and of Stripe on top.
fn quiet_config(
    carrier: &CarrierSettings,
    stripe: [(&'static str, String); 3],
    bind: Option<SocketAddr>,
) -> anyhow::Result<Config> {
    let mut flags = Vec::from(carrier.as_settings());
    flags.extend(stripe);
    flags.extend(bind.map(|bind| ("bind", bind.to_string())));
    if std::env::var_os("VOXLEDGER_LOG").is_none_or(|log| log.is_empty()) {
        flags.push(("log", "warn".to_owned()));
    }
    Ok(Config::load(&Sources::of_process(None, flags))?)
}

fn welcome(url: &str, key: &str) -> String {
    format!(
        "
Voxledger demo: a fresh node and a simulated carrier in one process. Nothing is kept when it ends.

  console         {url}/  (sign in with the key)
  documentation   {url}/docs
  API key         {key}

  export KEY={key}
  curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/calls?limit=3'

The carrier places calls now, and the node answers them.

"
    )
}

fn what_next(url: &str, agent: &str) -> String {
    let callees: String = callees().iter().map(|(number, how, _)| format!("  {number}   {how}\n")).collect();
    format!(
        "
The node serves on until Ctrl-C. Look at it in the console, {url}/, or read a call's story:

  curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/calls?limit=1'
  curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/calls/CALL_ID/events'
  curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/calls/CALL_ID/transcript'
  curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/events?types=call.ended&limit=1'
  curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/webhooks'

See how callers walked the clinic's menus, and where they stopped:

  curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/ivr/menus'
  curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/ivr/sessions?limit=5'
  curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/ivr/sessions/SESSION_ID/events'

Talk with its agent, which answers by rules and needs no account:

  curl -H \"Authorization: Bearer $KEY\" --json '{{\"message\": \"Hello, my name is Ada\", \"agent_id\": \"{agent}\"}}' {url}/api/v1/conversation
  curl -H \"Authorization: Bearer $KEY\" --json '{{\"message\": \"What is my name?\", \"conversation_id\": \"CONV_ID\"}}' {url}/api/v1/conversation

See what the calls cost, part by part. Billing in the console sells more credit, on a simulated page of Stripe's:

  curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/billing/balance'
  curl -H \"Authorization: Bearer $KEY\" '{url}/api/v1/billing/usage?group_by=component'

Or have it call somebody, as {OUR_NUMBER}; with \"agent_id\": \"{agent}\" the agent talks:

  curl -H \"Authorization: Bearer $KEY\" --json '{{\"from\": \"{OUR_NUMBER}\", \"to\": \"{first}\"}}' {url}/api/v1/calls

{callees}
",
        first = "+14155550120"
    )
}
