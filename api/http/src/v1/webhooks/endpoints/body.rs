//! Parts of endpoint requests and their checks.

use domain::webhook::endpoint::Ordering;
use serde::Deserialize;

use crate::backend::Backend;
use crate::problem::Fields;

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderingBody {
    Parallel,
    /// Delivers the events about one subject one after the other.
    PerSubject,
}

impl From<OrderingBody> for Ordering {
    fn from(body: OrderingBody) -> Self {
        match body {
            OrderingBody::Parallel => Self::Parallel,
            OrderingBody::PerSubject => Self::PerSubject,
        }
    }
}

/// The normalised URL; `None` and a noted fault when the egress guard forbids to reach it.
pub(super) async fn url(backend: &Backend, text: &str, fields: &mut Fields) -> Option<String> {
    let checked = backend.webhooks.guard.reachable(text).await;
    let code = match &checked {
        Err(adapters::webhooks::UrlFault::Private(_)) => "private_address",
        _ => "invalid",
    };
    match checked {
        Ok(mut url) => {
            url.set_fragment(None);
            Some(url.to_string())
        }
        Err(fault) => {
            fields.fault("url", code, fault.to_string());
            None
        }
    }
}
