//! The codes of problems: stable, part of the contract.

use actix_web::http::StatusCode;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// What is wrong, for programs. To add one: a line here and a page `errors/<code>.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $doc])* $name,)*
        }

        impl Code {
            /// Every code, in the order of the guide.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The code as clients see it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The status it goes with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// A short summary, the same every time.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The page that explains it, in Markdown.
            #[must_use]
            pub const fn page(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("../../errors/", $code, ".md")),)* }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    MalformedJson = "malformed_json", BAD_REQUEST, "The body is not JSON";
    /// The request cannot be understood at all.
    MalformedRequest = "malformed_request", BAD_REQUEST, "The request cannot be understood";
    /// The body came too slowly.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The body came too slowly";
    /// No API key was sent.
    MissingCredentials = "missing_credentials", UNAUTHORIZED, "No credentials";
    /// What was sent is not an API key, or has a typo.
    ApiKeyMalformed = "api_key_malformed", UNAUTHORIZED, "Not an API key";
    /// Nobody has this key.
    ApiKeyUnknown = "api_key_unknown", UNAUTHORIZED, "Unknown API key";
    /// It was for a time that is over.
    ApiKeyExpired = "api_key_expired", UNAUTHORIZED, "Expired API key";
    /// It was ended.
    ApiKeyRevoked = "api_key_revoked", UNAUTHORIZED, "Revoked API key";
    /// It is switched off.
    ApiKeyDisabled = "api_key_disabled", UNAUTHORIZED, "Disabled API key";
    /// Not an access token of this node.
    TokenInvalid = "token_invalid", UNAUTHORIZED, "Not an access token";
    /// An access token that was good once.
    TokenExpired = "token_expired", UNAUTHORIZED, "Expired access token";
    /// The bearer was signed out, disabled or removed.
    TokenRevoked = "token_revoked", UNAUTHORIZED, "Revoked access token";
    /// A well-signed token of the identity provider's that names no client and role here.
    NotAMember = "not_a_member", FORBIDDEN, "Not a member of a client here";
    /// Wrong e-mail address or password.
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "Wrong e-mail address or password";
    /// Nobody has this refresh token.
    RefreshTokenUnknown = "refresh_token_unknown", UNAUTHORIZED, "Unknown refresh token";
    /// It was not used in time.
    RefreshTokenExpired = "refresh_token_expired", UNAUTHORIZED, "Expired refresh token";
    /// Its login was ended.
    RefreshTokenRevoked = "refresh_token_revoked", UNAUTHORIZED, "Revoked refresh token";
    /// It was used before; its whole family is ended.
    RefreshTokenReused = "refresh_token_reused", UNAUTHORIZED, "Refresh token used twice";
    /// A webhook without a signature.
    SignatureMissing = "signature_missing", UNAUTHORIZED, "No signature";
    /// A webhook whose signature does not match.
    SignatureInvalid = "signature_invalid", UNAUTHORIZED, "Wrong signature";
    /// A webhook signed too long ago, or in the future.
    SignatureStale = "signature_stale", UNAUTHORIZED, "Stale signature";
    /// The key may not do this.
    InsufficientScope = "insufficient_scope", FORBIDDEN, "The API key lacks a scope";
    /// Only who looks after the node may do this.
    PlatformOnly = "platform_only", FORBIDDEN, "For the platform's administrator";
    /// What would be made is stronger than its maker.
    WouldExceedYours = "would_exceed_yours", FORBIDDEN, "More than you may do yourself";
    /// No such resource, or another client's.
    NotFound = "not_found", NOT_FOUND, "Not found";
    /// What is to be proven is not in the tree.
    BeyondTree = "beyond_tree", NOT_FOUND, "Beyond the tree";
    /// No such path.
    RouteNotFound = "route_not_found", NOT_FOUND, "No such path";
    /// The path takes other methods.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// The resource is not in a state for it.
    Conflict = "conflict", CONFLICT, "Conflict with the current state";
    /// Not possible where the call stands.
    CallWrongStatus = "call_wrong_status", CONFLICT, "Not possible in the call's status";
    /// The call is being handed over already.
    TransferUnderWay = "transfer_under_way", CONFLICT, "A transfer is under way";
    /// Somebody has the number.
    NumberTaken = "number_taken", CONFLICT, "The number is in use";
    /// Something leads to the menu.
    MenuInUse = "menu_in_use", CONFLICT, "The menu is in use";
    /// The way through the menus is over.
    SessionEnded = "session_ended", CONFLICT, "The session has ended";
    /// Nothing is said in it any more.
    ConversationEnded = "conversation_ended", CONFLICT, "The conversation has ended";
    /// One answer at a time.
    TurnUnderWay = "turn_under_way", CONFLICT, "An answer is still being given";
    /// Somebody signs in with the address.
    EmailTaken = "email_taken", CONFLICT, "The e-mail address is in use";
    /// Nobody would be left who may do everything.
    LastOwner = "last_owner", CONFLICT, "The client's last owner";
    /// The same idempotency key with another request.
    IdempotencyKeyReused = "idempotency_key_reused", CONFLICT, "Idempotency key reused";
    /// The first request with this idempotency key is still under way.
    IdempotencyInProgress = "idempotency_in_progress", CONFLICT, "Request still in progress";
    /// `If-Match` names another version.
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "The resource has changed";
    /// The body is too long.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body is not declared as JSON.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";
    /// Fields are at fault.
    InvalidRequest = "invalid_request", UNPROCESSABLE_ENTITY, "The request is invalid";
    /// Too many requests.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests";
    /// The client has as many streams open as it may.
    TooManyStreams = "too_many_streams", TOO_MANY_REQUESTS, "Too many open streams";
    /// The key's or the client's quota is used up.
    QuotaExhausted = "quota_exhausted", TOO_MANY_REQUESTS, "The quota is used up";
    /// A bug of ours.
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "Internal error";
    /// More work than the node takes at once.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The node is overloaded";
    /// Neither the client nor the node has an account with a carrier.
    NoCarrier = "no_carrier", UNPROCESSABLE_ENTITY, "No carrier to dial with";
    /// The node has no credentials for the carrier.
    CarrierNotConfigured = "carrier_not_configured", SERVICE_UNAVAILABLE, "No carrier is configured";
    /// No model answered.
    ProviderFailed = "provider_failed", BAD_GATEWAY, "The language model did not answer";
    /// No credentials for the provider of the model.
    ProviderNotConfigured = "provider_not_configured", SERVICE_UNAVAILABLE, "The provider is not configured";
    /// Something the node needs is not there.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Temporarily unavailable";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;

    #[test]
    fn every_code_has_a_page_and_every_page_a_code() {
        let codes: BTreeSet<String> = Code::ALL.iter().map(|code| format!("{}.md", code.as_str())).collect();
        let pages: BTreeSet<String> = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/errors"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(pages, codes);
        assert_eq!(codes.len(), Code::ALL.len(), "a code is used twice");
    }

    #[test]
    fn every_page_begins_with_its_code_and_says_what_to_do() {
        for code in Code::ALL {
            let page = code.page();
            assert!(page.starts_with(&format!("# {}\n", code.as_str())), "{}", code.as_str());
            let status = format!("Status {}.", code.status().as_u16());
            assert!(page.contains(&status), "{} lacks {status:?}", code.as_str());
            assert!(page.contains("**What to do:**"), "{}", code.as_str());
        }
    }
}
