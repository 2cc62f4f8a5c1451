//! Tokens that sign-in and refresh answer with.

use std::time::Duration;

use domain::ids::{ClientId, LoginId, UserId};
use domain::user::Role;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Answer;
use crate::auth::{LIFETIME, Tokens};
use crate::problem::ApiError;

/// How long a refresh token stays valid: 7 days.
pub(super) const REFRESH_WITHIN: Duration = Duration::from_secs(7 * 24 * 3600);

/// Access token and refresh token of a login.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignedIn {
    /// Access token, for the header `Authorization: Bearer …`.
    access_token: String,
    /// Token type, which is always `Bearer`.
    #[schema(value_type = crate::words::TokenType)]
    token_type: &'static str,
    /// Lifetime of the access token, in seconds.
    #[schema(example = 900)]
    expires_in: u64,
    /// Refresh token: works once, within 7 days, at `/api/v1/auth/refresh`.
    refresh_token: String,
}

pub(super) fn answer(
    tokens: &Tokens,
    (user, client, role): (UserId, ClientId, Role),
    login: LoginId,
    refresh_token: String,
) -> Result<Answer, ApiError> {
    let access_token = tokens.issue(user, client, role, login).map_err(ApiError::internal)?;
    let expires_in = LIFETIME.as_secs();
    Ok(Answer::data(&SignedIn { access_token, token_type: "Bearer", expires_in, refresh_token }))
}
