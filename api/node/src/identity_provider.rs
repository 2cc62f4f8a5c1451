//! Fetches the keys of the operator's identity provider in the background, so that checking a
//! token needs no request.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::ports::clock::Clock;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::config::IdentityProviderConfig;
use api_http::auth::{ExternalIdentities, GuestRules};
use api_http::limits::Rate;

/// Interval of fetches; providers publish a new key well before they sign with it.
const EVERY: Duration = Duration::from_secs(300);
/// The most fetches a minute, whatever tokens people send.
const FETCHES_A_MINUTE: u32 = 6;
/// Pause when that limit is reached, or when the provider does not answer.
const PAUSE: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(5);
const LARGEST: usize = 1 << 20;

/// The authenticator of the provider's tokens, if one is configured.
pub fn guests(config: &IdentityProviderConfig, clock: &Arc<dyn Clock>) -> Option<Arc<ExternalIdentities>> {
    let (true, Some(issuer), Some(audience)) = (config.is_set(), &config.issuer, &config.audience) else {
        return None;
    };
    let rules = GuestRules {
        issuer: issuer.clone(),
        audience: audience.clone(),
        client_claim: config.client_claim.as_str().to_owned(),
        role_claim: config.role_claim.as_str().to_owned(),
    };
    Some(Arc::new(ExternalIdentities::new(rules, clock.clone())))
}

/// Where the provider publishes its keys.
pub struct KeySource {
    http: reqwest::Client,
    place: KeySetLocation,
    clock: Arc<dyn Clock>,
}

enum KeySetLocation {
    /// The operator configured the address.
    Known(String),
    /// The issuer's metadata names the address (OpenID Connect Discovery 1.0 §4).
    Discovered { issuer: String },
}

/// The parts of the provider's metadata that are used.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl KeySource {
    /// The source of the configured provider; `None` without one.
    pub fn new(config: &IdentityProviderConfig, clock: Arc<dyn Clock>) -> anyhow::Result<Option<Self>> {
        let place = match (&config.jwks_url, &config.issuer) {
            (Some(url), _) => KeySetLocation::Known(url.as_str().to_owned()),
            (None, Some(issuer)) if config.discovery => KeySetLocation::Discovered { issuer: issuer.clone() },
            _ => return Ok(None),
        };
        let http = adapters::http::client()
            .user_agent(concat!("voxledger/", env!("CARGO_PKG_VERSION")))
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Some(Self { http, place, clock }))
    }

    /// Fetches until `stop`: periodically, and at once when a token names an unknown key, within the rate limit.
    pub async fn follow(self, guests: Arc<ExternalIdentities>, stop: CancellationToken) {
        let (rate, mut spent) = (Rate::per_minute(FETCHES_A_MINUTE), 0);
        let following = async {
            loop {
                let outcome = self.keys().await.and_then(|jwks| Ok(guests.replace_keys(&jwks)?));
                let word = if outcome.is_ok() { "ok" } else { "failed" };
                metrics::counter!(domain::metrics::JWKS_FETCHES, "outcome" => word).increment(1);
                let now = self.clock.now().timestamp_micros().saturating_mul(1_000);
                let resting = rate.admit(&mut spent, now).remaining == 0 || outcome.is_err();
                match outcome {
                    Ok(keys) => tracing::debug!(keys, "the identity provider's keys were fetched"),
                    Err(error) => {
                        let error = format!("{error:#}");
                        tracing::warn!(error, "the identity provider's keys cannot be fetched");
                    }
                }
                guests.fetched(resting);
                if resting {
                    self.clock.sleep(PAUSE).await;
                    guests.rested();
                }
                if word == "failed" {
                    continue;
                }
                tokio::select! {
                    () = guests.wanted() => {}
                    () = self.clock.sleep(EVERY) => {}
                }
            }
        };
        stop.run_until_cancelled(following).await;
    }

    async fn keys(&self) -> anyhow::Result<Vec<u8>> {
        let issuer = match &self.place {
            KeySetLocation::Known(url) => return self.get(url).await,
            KeySetLocation::Discovered { issuer } => issuer,
        };
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let metadata = self.get(&url).await.with_context(|| format!("cannot discover the keys at {url}"))?;
        let metadata: Metadata =
            serde_json::from_slice(&metadata).with_context(|| format!("{url} has no issuer and jwks_uri"))?;
        anyhow::ensure!(
            metadata.issuer == *issuer,
            "{url} is the metadata of another issuer; set identity_provider.issuer to exactly what it says"
        );
        let safe = metadata.jwks_uri.starts_with("https://") || issuer.starts_with("http://");
        anyhow::ensure!(safe, "{url} names a jwks_uri that is not https");
        self.get(&metadata.jwks_uri).await
    }

    async fn get(&self, url: &str) -> anyhow::Result<Vec<u8>> {
        let mut answer = self.http.get(url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            anyhow::ensure!(body.len() + chunk.len() <= LARGEST, "the answer is larger than {LARGEST} bytes");
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}
