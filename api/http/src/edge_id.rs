//! Ids in the public API: TypeIDs in paths, queries and bodies.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::problem::ApiError;

/// An id that JSON and queries hold as a TypeID: `EdgeId<MenuId>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EdgeId<T>(pub T);

impl<T: Display> Serialize for EdgeId<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for EdgeId<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| serde::de::Error::custom("not an id of this kind"))
    }
}

impl<T: FromStr> FromStr for EdgeId<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        text.parse().map(Self)
    }
}

impl<T: Display> Display for EdgeId<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> PartialSchema for EdgeId<T> {
    fn schema() -> RefOr<Schema> {
        let description = "A TypeID: a prefix that names the kind, and a UUIDv7 in base32";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(description))
            .pattern(Some("^[a-z]+_[0-7][0-9a-hjkmnp-tv-z]{25}$"))
            .into()
    }
}

impl<T> ToSchema for EdgeId<T> {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Id")
    }
}

/// Name of the resource that an id belongs to, for the text of a 404.
pub trait Named {
    /// Singular name, such as `call` or `number`.
    const NAME: &'static str;
}

macro_rules! named {
    ($($id:ident = $name:literal),*) => {$(
        impl Named for domain::ids::$id {
            const NAME: &'static str = $name;
        }
    )*};
}

named!(
    ClientId = "client",
    UserId = "user",
    ApiKeyId = "API key",
    CallId = "call",
    NumberId = "number",
    PrivacyJobId = "privacy job",
    MenuId = "menu",
    IvrSessionId = "session",
    AgentId = "agent",
    ConversationId = "conversation",
    CustomerId = "customer",
    KnowledgeBaseId = "knowledge base",
    DocumentId = "document",
    MemoryId = "memory",
    ToolId = "tool",
    EndpointId = "webhook",
    DeliveryId = "delivery",
    ExportId = "export",
    CheckoutId = "checkout"
);

/// The `{id}` of the path. Answers 404 for a malformed id, as for an unknown one.
#[derive(Debug, Clone, Copy)]
pub struct PathId<T>(pub T);

impl<T: FromStr + Named> FromRequest for PathId<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(|text| text.parse().ok());
        ready(id.map(Self).ok_or_else(|| ApiError::not_found(T::NAME)))
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::{CallId, MenuId};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_id_in_json_is_a_typeid_of_its_own_kind() {
        let id = EdgeId(CallId(Uuid::from_u128(5)));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, r#""call_00000000000000000000000005""#);
        assert_eq!(serde_json::from_str::<EdgeId<CallId>>(&json).unwrap(), id);
        assert!(serde_json::from_str::<EdgeId<MenuId>>(&json).is_err());
    }
}
