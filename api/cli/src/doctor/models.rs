//! Checks that the language model providers accept the node's keys, and serve the models of the catalogue.

use adapters::llm::{Catalogue, connect};
use domain::model::Provider;

use super::Finding;
use api_node::config::Config;
use api_node::{own_accounts, patience};

const WHAT: &str = "language models";

/// Asks every configured provider for its list of models.
pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let accounts = own_accounts(config).into_iter().filter(|account| account.provider != Provider::Scripted);
    let accounts: Vec<_> = accounts.collect();
    let (catalogue, http) = match (Catalogue::built_in(), adapters::http::client().build()) {
        (Ok(catalogue), Ok(http)) => (catalogue, http),
        _ => return vec![Finding::fail(WHAT, "cannot be asked", "report this")],
    };
    if accounts.is_empty() {
        let advice = "set VOXLEDGER_GROQ_API_KEY, or another provider's; until then agents are `scripted`";
        return vec![Finding::warn(WHAT, "no provider is configured", advice)];
    }
    let clock = std::sync::Arc::new(adapters::clock::SystemClock);
    let mut findings = Vec::new();
    for account in accounts {
        let provider = account.provider;
        let listed = connect(&account, http.clone(), patience(config), clock.clone()).models().await;
        findings.push(match listed {
            Err(failure) => {
                Finding::fail(WHAT, format!("{provider}: {failure}"), "correct its key and API_BASE")
            }
            Ok(listed) => {
                let named = catalogue.models(provider).map(|model| model.name.as_str());
                let gone: Vec<_> = named.filter(|name| !listed.iter().any(|known| known == name)).collect();
                match gone.is_empty() {
                    true => Finding::ok(WHAT, format!("{provider}: {} served", listed.len())),
                    false => Finding::warn(
                        WHAT,
                        format!("{provider} does not list {}", gone.join(", ")),
                        "agents that name them fall back: give them another model",
                    ),
                }
            }
        });
    }
    findings
}
