//! Settings of an external identity provider, whose tokens the node accepts.

use super::setting::section;
use super::value::{HttpUrl, Pointer};

section! {
    /// The operator's identity provider: Auth0, Keycloak, Supabase or any other that publishes a JWKS (RFC 7517).
    pub struct IdentityProviderConfig {
        /// Where the provider publishes its signing keys (JWKS); its tokens are let in when this is set.
        jwks_url: Option<HttpUrl> = "identity_provider.jwks_url", "";
        /// Ask the issuer where its keys are (`ISSUER/.well-known/openid-configuration`), in place of `JWKS_URL`.
        discovery: bool = "identity_provider.discovery", "false";
        /// The `iss` its tokens must have.
        issuer: Option<String> = "identity_provider.issuer", "";
        /// The `aud` its tokens must have.
        audience: Option<String> = "identity_provider.audience", "";
        /// JSON pointer to the client's id (`cli_…`) in a token.
        client_claim: Pointer = "identity_provider.client_claim", "/client_id";
        /// JSON pointer to the role in a token: one role, or a list of which the first known one counts.
        role_claim: Pointer = "identity_provider.role_claim", "/role";
    }
}

impl IdentityProviderConfig {
    /// Whether a provider is configured.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.jwks_url.is_some() || self.discovery
    }
}
