//! Prices of the demo, and the credit that its client begins with.

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::NodeApi;

/// Sets prices for every part of a call that the demo has, and gives the node's own client 25 US dollars.
pub async fn set_up(node: &NodeApi) -> anyhow::Result<()> {
    let prices = json!({"currency": "USD", "prices": [
        {"component": "carrier", "unit": "second", "per": 60, "price": 12_000, "increment": 60},
        {"component": "carrier", "unit": "cost", "per": 100, "price": 120},
        {"component": "stt", "unit": "second", "per": 60, "price": 6_000},
        {"component": "llm", "unit": "input_token", "per": 1_000_000, "price": 150_000},
        {"component": "llm", "unit": "output_token", "per": 1_000_000, "price": 600_000},
        {"component": "tts", "unit": "character", "per": 1_000, "price": 15_000},
        {"component": "platform", "unit": "request", "price": 5_000},
    ]});
    let set = node.ask::<Value>(Method::PUT, "/api/v1/billing/prices", Some(&prices)).await;
    set.context("cannot set prices")?;
    let me = node.ask::<Value>(Method::GET, "/api/v1/auth/me", None).await.context("cannot ask who it is")?;
    let amount = json!({"amount_micros": 25_000_000, "currency": "USD"});
    let grant = json!({"client_id": me["data"]["client"], "amount": amount, "reason": "welcome to the demo"});
    let granted = node.ask::<Value>(Method::POST, "/api/v1/billing/grants", Some(&grant)).await;
    granted.map(drop).context("cannot grant credit")
}
