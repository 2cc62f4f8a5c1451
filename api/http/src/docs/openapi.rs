//! The OpenAPI document, collected from the handlers.

use projections::words;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::idempotent_posts;
use crate::envelope_schema::{ListMeta, Meta};
use crate::problem::{FieldError, Problem};
use crate::{system, v1};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Voxledger",
        description = "The control plane for voice-AI telephony. Every step of a call is recorded as an event in an append-only log.\n\nErrors are RFC 9457 problems; [the guide](/docs/errors) explains every code. Within this version of the API, sets of values in answers may grow; where a field says so, accept values that you do not know.",
        contact(name = "The makers of Voxledger"),
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/", description = "This node")),
    components(schemas(
        Problem,
        FieldError,
        Meta,
        ListMeta,
        words::AnalyticsMetric,
        words::AnalyticsGrouping,
        words::AnalyticsInterval,
        words::ProviderKind
    )),
    security(("bearer" = []), ("api_key" = [])),
    modifiers(&Security),
    tags(
        (name = "agents", description = "Agents that hold conversations: prompt, model, tools, versions"),
        (name = "analytics", description = "Figures of calls, menus, conversations and webhooks over time"),
        (name = "api keys", description = "Keys for programs, with scopes, quotas and an expiry"),
        (name = "audit", description = "Audit log, event history, signed checkpoints, proofs and exports"),
        (name = "auth", description = "Signing in and out, tokens, and the current principal"),
        (name = "billing", description = "Credit, what calls cost, prices and purchases"),
        (name = "calls", description = "Placing, controlling and reading calls"),
        (name = "carriers", description = "Endpoints that receive the carriers' signed webhooks"),
        (name = "clients", description = "The companies that use this node; each sees only its own data"),
        (name = "conversations", description = "Conversations with agents: messages and streamed answers"),
        (name = "customers", description = "People your calls and conversations are with, and all that is linked to them"),
        (name = "files", description = "Files by signed URLs: downloads, and uploads for the resources that take them"),
        (name = "ivr", description = "Menus of spoken choices, and callers' sessions in them"),
        (name = "knowledge", description = "Documents that agents answer from, in knowledge bases"),
        (name = "numbers", description = "Phone numbers, and where their inbound calls go"),
        (name = "privacy", description = "Erasing and exporting a person's data, and the privacy settings"),
        (name = "providers", description = "Your accounts with carriers and model providers, and the providers' state"),
        (name = "system", description = "Health, metrics, version"),
        (name = "tools", description = "Your own HTTP endpoints that agents may use"),
        (name = "users", description = "People who sign in, and their roles"),
        (name = "webhooks", description = "Events delivered to your endpoints, and the same events to pull"),
    )
)]
struct Base;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(
                Http::builder()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some("An API key (`Authorization: Bearer vx_…`) or an access token"))
                    .build(),
            ),
        );
        components.add_security_scheme(
            "api_key",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "X-API-Key",
                "An API key, sent as `X-API-Key: vx_…`",
            ))),
        );
    }
}

/// The whole document, merged from the parts of the API.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Base::openapi();
    document.merge(v1::openapi());
    document.merge(system::openapi());
    idempotent_posts::describe(&mut document);
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/v1.json");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        let generated = super::super::text().unwrap();
        assert!(
            committed == generated,
            "run `voxledger openapi > api/openapi/v1.json` and look at what changed"
        );
    }

    #[test]
    fn every_operation_has_its_own_id_a_tag_and_a_summary() {
        let document = serde_json::to_value(document()).unwrap();
        let mut ids = std::collections::BTreeSet::new();
        let mut count = 0;
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                count += 1;
                ids.insert(operation["operationId"].as_str().unwrap().to_owned());
                assert!(operation["tags"][0].is_string(), "{method} {path} has no tag");
                assert!(operation["summary"].is_string(), "{method} {path} has no summary");
            }
        }
        assert_eq!(ids.len(), count);
    }
}
