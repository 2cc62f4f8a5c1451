//! Who one is.

use actix_web::{get, web};
use domain::ids::ClientId;
use projections::api_keys::ApiKeyView;
use projections::users::UserView;
use projections::words;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::http::auth::{Anything, Caller, Who};
use crate::http::{Answer, EdgeId, Enveloped};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// Who asks.
#[derive(Serialize, ToSchema)]
pub(crate) struct Me {
    /// `user` or `api_key`.
    #[schema(value_type = crate::http::words::Principal)]
    principal: &'static str,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<UserView>)]
    user: Option<Box<RawValue>>,
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ApiKeyView>)]
    api_key: Option<Box<RawValue>>,
    /// The client everything is done for.
    #[schema(value_type = String)]
    client: EdgeId<ClientId>,
    /// What a user is to the client; `null` for a key.
    #[schema(value_type = Option<words::UserRole>)]
    role: Option<&'static str>,
    /// What may be done.
    #[schema(value_type = Vec<crate::http::words::Scope>)]
    scopes: Vec<String>,
    /// Whether this one looks after the whole node.
    platform: bool,
}

/// Get who one is.
///
/// The key or the user behind the request, and what they may do.
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "auth", operation_id = "getMe",
    responses((status = 200, description = "Who asks", body = Enveloped<Me>), Problem))]
#[get("/auth/me")]
pub(crate) async fn get_me(
    caller: Caller<Anything>,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (client, scopes, platform) = (EdgeId(caller.client), caller.scopes.to_texts(), caller.platform);
    let views = &backend.views;
    let me = match caller.who {
        Who::Key { id, .. } => {
            let stored = views.api_key(caller.client, id).await.map_err(ApiError::unavailable)?;
            let api_key = stored.map(|stored| RawValue::from_string(stored.json)).transpose();
            let api_key = api_key.map_err(ApiError::internal)?;
            Me { principal: "api_key", user: None, api_key, client, role: None, scopes, platform }
        }
        Who::User { id, role, .. } => {
            let stored = views.user(caller.client, id).await.map_err(ApiError::unavailable)?;
            let user = stored.map(|stored| RawValue::from_string(stored.json)).transpose();
            let (user, role) = (user.map_err(ApiError::internal)?, Some(role.as_str()));
            Me { principal: "user", user, api_key: None, client, role, scopes, platform }
        }
    };
    Ok(Answer::data(&me))
}
