//! An identity provider of the operator's, whose tokens are let in.

use super::setting::section;
use super::value::{HttpUrl, Pointer};

section! {
    /// An identity provider of the operator's: Auth0, Keycloak, Supabase or whoever else publishes a JWKS (RFC 7517).
    pub struct IdentityProviderConfig {
        /// Where the provider publishes its signing keys (JWKS); its tokens are let in when this is set.
        jwks_url: Option<HttpUrl> = "identity_provider.jwks_url", "";
        /// Ask the issuer where its keys are (`ISSUER/.well-known/openid-configuration`), in place of `JWKS_URL`.
        discovery: bool = "identity_provider.discovery", "false";
        /// The `iss` its tokens must have.
        issuer: Option<String> = "identity_provider.issuer", "";
        /// The `aud` its tokens must have.
        audience: Option<String> = "identity_provider.audience", "";
        /// Where in a token the client stands (`cli_…`).
        client_claim: Pointer = "identity_provider.client_claim", "/client_id";
        /// Where in a token the role stands: one, or a list of which the first that we know counts.
        role_claim: Pointer = "identity_provider.role_claim", "/role";
    }
}

impl IdentityProviderConfig {
    /// Whether there is a provider.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.jwks_url.is_some() || self.discovery
    }
}
