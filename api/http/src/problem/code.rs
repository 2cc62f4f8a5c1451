//! The problem codes: stable, part of the API contract.

use actix_web::http::StatusCode;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// The kind of a problem, for programs. To add one: a line here and a page `errors/<code>.md`.
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

            /// The HTTP status that it comes with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// A short summary, always the same for the code.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// The Markdown page that explains it.
            #[must_use]
            pub const fn page(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("../../../errors/", $code, ".md")),)* }
            }
        }
    };
}

codes! {
    MalformedJson = "malformed_json", BAD_REQUEST, "The body is not JSON";
    /// The request cannot be parsed at all.
    MalformedRequest = "malformed_request", BAD_REQUEST, "The request cannot be understood";
    /// The body arrived too slowly.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The body arrived too slowly";
    /// No API key was sent.
    MissingCredentials = "missing_credentials", UNAUTHORIZED, "No credentials";
    /// The text sent is not an API key, or has a typo.
    ApiKeyMalformed = "api_key_malformed", UNAUTHORIZED, "Not an API key";
    /// No client has this key.
    ApiKeyUnknown = "api_key_unknown", UNAUTHORIZED, "Unknown API key";
    /// The key's expiry has passed.
    ApiKeyExpired = "api_key_expired", UNAUTHORIZED, "Expired API key";
    /// The key was revoked by somebody.
    ApiKeyRevoked = "api_key_revoked", UNAUTHORIZED, "Revoked API key";
    /// The key is disabled for now.
    ApiKeyDisabled = "api_key_disabled", UNAUTHORIZED, "Disabled API key";
    /// The token was not issued by this node.
    TokenInvalid = "token_invalid", UNAUTHORIZED, "Invalid access token";
    /// The access token was valid until its expiry.
    TokenExpired = "token_expired", UNAUTHORIZED, "Expired access token";
    /// The bearer was signed out, disabled or removed.
    TokenRevoked = "token_revoked", UNAUTHORIZED, "Revoked access token";
    /// A valid token of the identity provider that names no client and role here.
    NotAMember = "not_a_member", FORBIDDEN, "Not a member of any client";
    /// Wrong e-mail address or password.
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "Wrong e-mail address or password";
    /// No login has this refresh token.
    RefreshTokenUnknown = "refresh_token_unknown", UNAUTHORIZED, "Unknown refresh token";
    /// The refresh token was not used in time.
    RefreshTokenExpired = "refresh_token_expired", UNAUTHORIZED, "Expired refresh token";
    /// The login of the refresh token was ended.
    RefreshTokenRevoked = "refresh_token_revoked", UNAUTHORIZED, "Revoked refresh token";
    /// The refresh token was used before; all tokens of its login are revoked.
    RefreshTokenReused = "refresh_token_reused", UNAUTHORIZED, "Refresh token used twice";
    /// The webhook has no signature.
    SignatureMissing = "signature_missing", UNAUTHORIZED, "No signature";
    /// The webhook's signature does not match.
    SignatureInvalid = "signature_invalid", UNAUTHORIZED, "Wrong signature";
    /// The webhook was signed too long ago, or in the future.
    SignatureStale = "signature_stale", UNAUTHORIZED, "Stale signature";
    /// The client is prepaid, and its credit does not cover the call.
    InsufficientCredits = "insufficient_credits", PAYMENT_REQUIRED, "Not enough credit";
    /// A spend limit of the client, the key or the agent does not allow the call.
    SpendLimitReached = "spend_limit_reached", FORBIDDEN, "A spend limit is reached";
    /// The payment provider opened no page to pay on.
    CheckoutFailed = "checkout_failed", BAD_GATEWAY, "No page to pay on";
    /// The node has no account with a payment provider.
    PaymentsNotConfigured = "payments_not_configured", SERVICE_UNAVAILABLE, "No payment provider is configured";
    /// The key lacks the scope for this.
    InsufficientScope = "insufficient_scope", FORBIDDEN, "The API key lacks a scope";
    /// Only the platform's administrators may do this.
    PlatformOnly = "platform_only", FORBIDDEN, "Only for the platform's administrator";
    /// The new key or user would have more rights than its creator.
    WouldExceedYours = "would_exceed_yours", FORBIDDEN, "More rights than you have";
    /// This node signed no such URL.
    ObjectUrlInvalid = "object_url_invalid", FORBIDDEN, "Not a valid URL of a file";
    /// The signed URL was good for a limited time.
    ObjectUrlExpired = "object_url_expired", FORBIDDEN, "The URL of the file has expired";
    /// No such resource, or another client's.
    NotFound = "not_found", NOT_FOUND, "Not found";
    /// The requested proof lies beyond the Merkle tree.
    BeyondTree = "beyond_tree", NOT_FOUND, "Beyond the Merkle tree";
    RouteNotFound = "route_not_found", NOT_FOUND, "No such path";
    /// The path takes other methods.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
    /// The state of the resource does not allow this.
    Conflict = "conflict", CONFLICT, "Conflict with the current state";
    /// The call's status does not allow this.
    CallWrongStatus = "call_wrong_status", CONFLICT, "The call's status does not allow this";
    /// The call is already being transferred.
    TransferUnderWay = "transfer_under_way", CONFLICT, "A transfer is under way";
    /// The number is already in use.
    NumberTaken = "number_taken", CONFLICT, "The number is in use";
    /// Another customer of the client has the external id.
    ExternalIdTaken = "external_id_taken", CONFLICT, "Another customer has the external id";
    /// A number or another menu leads to the menu.
    MenuInUse = "menu_in_use", CONFLICT, "The menu is in use";
    /// The IVR session has ended.
    SessionEnded = "session_ended", CONFLICT, "The session has ended";
    /// The conversation accepts no more messages.
    ConversationEnded = "conversation_ended", CONFLICT, "The conversation has ended";
    /// The conversation gives one answer at a time.
    TurnUnderWay = "turn_under_way", CONFLICT, "An answer is still being given";
    /// Another user has the email address.
    EmailTaken = "email_taken", CONFLICT, "The e-mail address is in use";
    /// The client would be left without an owner.
    LastOwner = "last_owner", CONFLICT, "A client needs an owner";
    /// The idempotency key was used with another request.
    IdempotencyKeyReused = "idempotency_key_reused", CONFLICT, "Idempotency key reused";
    /// The first request with this idempotency key is still running.
    IdempotencyInProgress = "idempotency_in_progress", CONFLICT, "Request still in progress";
    /// `If-Match` names another version.
    PreconditionFailed = "precondition_failed", PRECONDITION_FAILED, "The resource has changed";
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body is not declared as JSON.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";
    /// The wanted range begins behind the end of the file.
    RangeNotSatisfiable = "range_not_satisfiable", RANGE_NOT_SATISFIABLE, "The file has fewer bytes";
    /// Some fields are invalid.
    InvalidRequest = "invalid_request", UNPROCESSABLE_ENTITY, "The request is invalid";
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests";
    /// The client has too many open streams.
    TooManyStreams = "too_many_streams", TOO_MANY_REQUESTS, "Too many open streams";
    /// The key's or the client's quota is used up.
    QuotaExhausted = "quota_exhausted", TOO_MANY_REQUESTS, "The quota is used up";
    /// A bug of this program.
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "Internal error";
    /// The node has more work than it can take.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The node is overloaded";
    /// Neither the client nor the node has an account with a carrier.
    NoCarrier = "no_carrier", UNPROCESSABLE_ENTITY, "No carrier to dial with";
    /// The node has no credentials for the carrier.
    CarrierNotConfigured = "carrier_not_configured", SERVICE_UNAVAILABLE, "No carrier is configured";
    /// No language model answered.
    ProviderFailed = "provider_failed", BAD_GATEWAY, "The language model did not answer";
    /// The model's provider has no credentials.
    ProviderNotConfigured = "provider_not_configured", SERVICE_UNAVAILABLE, "The provider is not configured";
    /// Something that the node needs is unavailable.
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
        let pages: BTreeSet<String> = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../errors"))
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
