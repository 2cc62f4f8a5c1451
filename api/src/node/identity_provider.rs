//! The keys of the operator's identity provider: fetched again and again, so that reading a token asks nobody.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::ports::clock::Clock;
use tokio_util::sync::CancellationToken;

use crate::config::{HttpUrl, IdentityProviderConfig};
use crate::http::auth::{GuestRules, Guests};

/// Providers publish a new key well before they sign with it.
const EVERY: Duration = Duration::from_secs(300);
/// The least pause, whatever tokens people send and however often it fails.
const PAUSE: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(5);
const LARGEST: usize = 1 << 20;

/// Who is let in by the provider, if one is configured.
pub(super) fn guests(config: &IdentityProviderConfig, clock: &Arc<dyn Clock>) -> Option<Arc<Guests>> {
    let (Some(_), Some(issuer), Some(audience)) = (&config.jwks_url, &config.issuer, &config.audience) else {
        return None;
    };
    let rules = GuestRules {
        issuer: issuer.clone(),
        audience: audience.clone(),
        client_claim: config.client_claim.as_str().to_owned(),
        role_claim: config.role_claim.as_str().to_owned(),
    };
    Some(Arc::new(Guests::new(rules, clock.clone())))
}

/// Where the provider publishes its keys.
pub(super) struct KeySource {
    http: reqwest::Client,
    url: String,
    clock: Arc<dyn Clock>,
}

impl KeySource {
    pub(super) fn new(url: &HttpUrl, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let http = adapters::http::client()
            .user_agent(concat!("voxledger/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { http, url: url.as_str().to_owned(), clock })
    }

    /// Fetches until `stop`: now and then, and soon after a token named a key that is not known.
    pub(super) async fn follow(self, guests: Arc<Guests>, stop: CancellationToken) {
        let following = async {
            loop {
                let fetched = self.fetch().await;
                let outcome = fetched.and_then(|jwks| Ok(guests.replace_keys(&jwks)?));
                let word = if outcome.is_ok() { "ok" } else { "failed" };
                metrics::counter!("voxledger_jwks_fetches_total", "outcome" => word).increment(1);
                let failed = outcome.is_err();
                match outcome {
                    Ok(keys) => tracing::debug!(keys, "the identity provider's keys were fetched"),
                    Err(error) => {
                        let error = format!("{error:#}");
                        tracing::warn!(error, "the identity provider's keys cannot be fetched");
                    }
                }
                self.clock.sleep_until(self.clock.now() + PAUSE).await;
                if !failed {
                    tokio::select! {
                        () = guests.unknown_key() => {}
                        () = self.clock.sleep_until(self.clock.now() + EVERY) => {}
                    }
                }
            }
        };
        stop.run_until_cancelled(following).await;
    }

    async fn fetch(&self) -> anyhow::Result<Vec<u8>> {
        let mut answer = self.http.get(&self.url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            anyhow::ensure!(body.len() + chunk.len() <= LARGEST, "the answer is larger than {LARGEST} bytes");
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}
