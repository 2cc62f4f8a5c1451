//! What happens to a tool.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::envelope::Time;
use crate::origin::Origin;
use crate::ports::vault::Sealed;
use crate::webhook::endpoint::CustomHeaders;
use crate::webhook::secrets::SecretRotated;
use crate::wire::events;

events! {
    /// A fact of a tool.
    pub enum ToolEvent {
        /// It came to be.
        Created(ToolCreated) = "tool.created" v 1,
        /// Its terms changed.
        Updated(ToolUpdated) = "tool.updated" v 1,
        /// It got a signing secret, or another one.
        SecretRotated(SecretRotated) = "tool.secret_rotated" v 1,
        /// It is gone.
        Deleted(ToolDeleted) = "tool.deleted" v 1,
    }
}

/// How a tool is asked. Arguments go into the query of `GET` and `DELETE`, and as JSON into the body of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ToolMethod {
    /// `GET`.
    Get,
    /// `POST`.
    #[default]
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
}

impl ToolMethod {
    /// Every one.
    pub const ALL: [ToolMethod; 5] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether arguments go into the query.
    #[must_use]
    pub const fn in_query(self) -> bool {
        matches!(self, Self::Get | Self::Delete)
    }
}

/// How we say who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthKind {
    /// Not at all.
    #[default]
    None,
    /// A token in `Authorization: Bearer`.
    Bearer,
    /// A user and a password.
    Basic,
    /// A key in a header of the client's choice.
    ApiKey,
}

impl AuthKind {
    /// Every one.
    pub const ALL: [AuthKind; 4] = [Self::None, Self::Bearer, Self::Basic, Self::ApiKey];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
            Self::ApiKey => "api_key",
        }
    }
}

/// How we say who we are, the secret sealed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ToolAuth {
    /// Which way.
    pub kind: AuthKind,
    /// The header of an [`AuthKind::ApiKey`], or the user of [`AuthKind::Basic`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The token, password or key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Sealed>,
}

/// What holds for a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolTerms {
    /// What the model calls it.
    pub name: String,
    /// What the model is told of it.
    pub description: String,
    /// JSON Schema of its arguments: an object.
    pub parameters: Value,
    /// Where it is.
    pub url: String,
    /// How it is asked.
    pub method: ToolMethod,
    /// The client's own headers.
    #[serde(default)]
    pub headers: CustomHeaders,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u32,
    /// How we say who we are.
    #[serde(default)]
    pub auth: ToolAuth,
}

/// See [`ToolEvent::Created`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCreated {
    /// What holds.
    pub terms: ToolTerms,
    /// The signing secret's bytes, sealed; `None` where the tool is older than signatures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Sealed>,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`ToolEvent::Updated`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolUpdated {
    /// What held.
    pub before: ToolTerms,
    /// What holds.
    pub after: ToolTerms,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`ToolEvent::Deleted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolDeleted {
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}
