//! Events of a tool and their payloads.

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
    pub enum ToolEvent {
        Created(ToolCreated) = "tool.created" v 1,
        Updated(ToolUpdated) = "tool.updated" v 1,
        /// The tool got its first signing secret, or another one.
        SecretRotated(SecretRotated) = "tool.secret_rotated" v 1,
        Deleted(ToolDeleted) = "tool.deleted" v 1,
    }
}

/// HTTP method of requests to a tool. `GET` and `DELETE` carry the arguments in the query, the others carry them
/// as JSON in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ToolMethod {
    Get,
    #[default]
    Post,
    Put,
    Patch,
    Delete,
}

impl ToolMethod {
    pub const ALL: [ToolMethod; 5] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// Name on the wire, for example `GET`.
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

/// How requests to the tool are authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthKind {
    /// Requests carry no credential.
    #[default]
    None,
    /// A token in `Authorization: Bearer`.
    Bearer,
    /// A user and a password (HTTP Basic).
    Basic,
    /// A key in a header of the client's choice.
    ApiKey,
}

impl AuthKind {
    pub const ALL: [AuthKind; 4] = [Self::None, Self::Bearer, Self::Basic, Self::ApiKey];

    /// Name on the wire, for example `api_key`.
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

/// How requests to the tool are authenticated, the secret sealed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ToolAuth {
    pub kind: AuthKind,
    /// The header of an [`AuthKind::ApiKey`], or the user of [`AuthKind::Basic`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The token, password or key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Sealed>,
}

/// Settings of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolTerms {
    /// The function name by which the model calls it.
    pub name: String,
    /// Tells the model what the tool does.
    pub description: String,
    /// JSON Schema of its arguments: an object.
    pub parameters: Value,
    pub url: String,
    pub method: ToolMethod,
    /// Headers the client adds to every request.
    #[serde(default)]
    pub headers: CustomHeaders,
    /// Timeout of a request, in milliseconds.
    pub timeout_ms: u32,
    #[serde(default)]
    pub auth: ToolAuth,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCreated {
    pub terms: ToolTerms,
    /// The signing secret's bytes, sealed; `None` where the tool is older than signatures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolUpdated {
    pub before: ToolTerms,
    pub after: ToolTerms,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolDeleted {
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}
