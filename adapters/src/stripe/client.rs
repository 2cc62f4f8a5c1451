//! Creates Checkout Sessions over HTTPS: one attempt each, every wait bounded.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::payments::{NewPaymentPage, PaymentError, PaymentPage, PaymentProvider};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

use super::{API_VERSION, PROVIDER};

/// How long Stripe may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// Most bytes of an answer that are read.
const MAX_ANSWER: usize = 512 * 1024;

/// An account with Stripe.
#[derive(Clone)]
pub struct StripeConfig {
    /// Base URL of the API, `https://api.stripe.com`.
    pub api_base: Url,
    /// A secret or restricted key. A restricted one needs to write Checkout Sessions.
    pub api_key: String,
}

impl fmt::Debug for StripeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StripeConfig").field("api_base", &self.api_base.as_str()).finish_non_exhaustive()
    }
}

/// Opens pages of Stripe's where clients pay.
#[derive(Debug)]
pub struct StripeClient {
    http: Client,
    config: StripeConfig,
    sessions: Url,
}

#[derive(Deserialize)]
struct Session {
    id: String,
    url: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    error: FailureDetail,
}

#[derive(Deserialize)]
struct FailureDetail {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    code: Option<String>,
}

impl StripeClient {
    /// Fails when the base URL cannot be extended, or TLS cannot be set up.
    pub fn new(config: StripeConfig) -> Result<Self, PaymentError> {
        let base = config.api_base.as_str().trim_end_matches('/');
        let unusable = |error: &dyn fmt::Display| PaymentError::Refused(error.to_string());
        let sessions =
            Url::parse(&format!("{base}/v1/checkout/sessions")).map_err(|error| unusable(&error))?;
        let http = crate::http::client()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| unusable(&error))?;
        Ok(Self { http, config, sessions })
    }
}

/// Nested fields of the form, as Stripe names them.
fn form(page: &NewPaymentPage) -> Vec<(&'static str, String)> {
    let (checkout, client) = (page.checkout.to_string(), page.client.to_string());
    vec![
        ("mode", "payment".to_owned()),
        ("client_reference_id", client.clone()),
        ("line_items[0][quantity]", "1".to_owned()),
        ("line_items[0][price_data][currency]", page.currency.as_str().to_ascii_lowercase()),
        ("line_items[0][price_data][unit_amount]", page.minor_units.to_string()),
        ("line_items[0][price_data][product_data][name]", "Call credit".to_owned()),
        ("metadata[checkout_id]", checkout.clone()),
        ("metadata[client_id]", client),
        // the session's metadata does not reach its charge
        ("payment_intent_data[metadata][checkout_id]", checkout),
        ("success_url", page.success_url.clone()),
        ("cancel_url", page.cancel_url.clone()),
    ]
}

/// The form as the body of a request.
fn encoded(page: &NewPaymentPage) -> String {
    let mut url = Url::parse("form:").ok();
    if let Some(url) = &mut url {
        url.query_pairs_mut().extend_pairs(form(page));
    }
    url.as_ref().and_then(Url::query).unwrap_or_default().to_owned()
}

async fn body_of(mut response: reqwest::Response) -> Result<Vec<u8>, PaymentError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(PaymentError::Unavailable("the answer is too large".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The kind of a failure, without the address.
fn lost(error: reqwest::Error) -> PaymentError {
    PaymentError::Unavailable(error.without_url().to_string())
}

#[async_trait]
impl PaymentProvider for StripeClient {
    fn provider(&self) -> &'static str {
        PROVIDER
    }

    fn is_live(&self) -> Option<bool> {
        let key = &self.config.api_key;
        if key.contains("_test_") {
            Some(false)
        } else if key.contains("_live_") {
            Some(true)
        } else {
            None
        }
    }

    async fn open(&self, page: &NewPaymentPage) -> Result<PaymentPage, PaymentError> {
        let request = self
            .http
            .post(self.sessions.clone())
            .bearer_auth(&self.config.api_key)
            .header("Stripe-Version", API_VERSION)
            .header("Idempotency-Key", page.checkout.to_string())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(encoded(page));
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        let body = body_of(response).await?;
        if status.is_success() {
            let session: Session = serde_json::from_slice(&body)
                .map_err(|_| PaymentError::Unavailable("the answer is not a session".to_owned()))?;
            let url = session.url.ok_or_else(|| PaymentError::Refused("no_url".to_owned()))?;
            return Ok(PaymentPage { session: session.id, url });
        }
        let again = status == StatusCode::CONFLICT
            || status == StatusCode::TOO_MANY_REQUESTS
            || status.is_server_error();
        if again {
            return Err(PaymentError::Unavailable(format!("status {}", status.as_u16())));
        }
        let failure = serde_json::from_slice::<Failure>(&body).ok().map(|failure| failure.error);
        let code = failure.map(|error| error.code.unwrap_or(error.kind)).filter(|code| !code.is_empty());
        let code: String =
            code.unwrap_or_else(|| format!("status {}", status.as_u16())).chars().take(100).collect();
        Err(PaymentError::Refused(code))
    }
}
