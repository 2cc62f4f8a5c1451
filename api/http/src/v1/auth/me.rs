//! Endpoint that says who sends the request.

use actix_web::{get, web};
use domain::ids::ClientId;
use projections::api_keys::ApiKeyView;
use projections::users::UserView;
use projections::words;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::auth::{AnyCredential, Caller, Who};
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, EdgeId, Enveloped};

/// Who sends the request, and what they may do.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// Kind of principal: `user` or `api_key`.
    #[schema(value_type = crate::words::Principal)]
    principal: &'static str,
    /// The user; only when a user sends the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<UserView>)]
    user: Option<Box<RawValue>>,
    /// The API key; only when a key sends the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ApiKeyView>)]
    api_key: Option<Box<RawValue>>,
    /// Id of the client on whose behalf the request acts.
    #[schema(value_type = String)]
    client: EdgeId<ClientId>,
    /// Role of the user in the client; `null` for a key.
    #[schema(value_type = Option<words::UserRole>)]
    role: Option<&'static str>,
    /// Scopes that the request has.
    #[schema(value_type = Vec<crate::words::Scope>)]
    scopes: Vec<String>,
    /// Whether this is the platform's administrator, who looks after the whole node.
    platform: bool,
}

/// Get the current principal.
///
/// The API key or the user that sends the request, and what they may do.
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "auth", operation_id = "getMe",
    responses((status = 200, description = "The principal: the API key or the user that sends the request",
        body = Enveloped<Me>), Problem))]
#[get("/auth/me")]
pub(crate) async fn get_me(
    caller: Caller<AnyCredential>,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (client, scopes, platform) = (EdgeId(caller.client), caller.scopes.to_texts(), caller.platform);
    let views = &backend.views;
    let me = match caller.who {
        Who::Key { id, .. } => {
            let stored = views
                .one::<projections::api_keys::ApiKeys>(caller.client, id)
                .await
                .map_err(ApiError::unavailable)?;
            let api_key = stored.map(|stored| RawValue::from_string(stored.json)).transpose();
            let api_key = api_key.map_err(ApiError::internal)?;
            Me { principal: "api_key", user: None, api_key, client, role: None, scopes, platform }
        }
        Who::User { id, role, .. } => {
            let stored = views
                .one::<projections::users::Users>(caller.client, id)
                .await
                .map_err(ApiError::unavailable)?;
            let user = stored.map(|stored| RawValue::from_string(stored.json)).transpose();
            let (user, role) = (user.map_err(ApiError::internal)?, Some(role.as_str()));
            Me { principal: "user", user, api_key: None, client, role, scopes, platform }
        }
    };
    Ok(Answer::data(&me))
}
