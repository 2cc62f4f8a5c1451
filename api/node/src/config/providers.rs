//! The node's own accounts with language model providers; a client's own override them.

use super::Secret;
use super::setting::section;
use super::value::HttpUrl;

macro_rules! providers {
    ($($(#[doc = $about:literal])* $name:ident = $section:literal at $base:literal;)*) => {$(
        section! {
            $(#[doc = $about])*
            pub struct $name {
                /// The node's own key.
                api_key: Option<Secret> = concat!($section, ".api_key"), "";
                /// Where the provider's API is.
                api_base: HttpUrl = concat!($section, ".api_base"), $base;
            }
        }
    )*};
}

providers! {
    /// The node's own account with Groq.
    GroqConfig = "groq" at "https://api.groq.com/openai/v1";
    /// The node's own account with OpenAI.
    OpenaiConfig = "openai" at "https://api.openai.com/v1";
    /// The node's own account with Anthropic.
    AnthropicConfig = "anthropic" at "https://api.anthropic.com/v1";
    /// The node's own account with Google.
    GoogleConfig = "google" at "https://generativelanguage.googleapis.com/v1beta";
}

section! {
    /// Any server that speaks OpenAI's chat protocol: Ollama, vLLM, llama.cpp.
    pub struct OpenaiCompatibleConfig {
        /// The node's own key, if the server wants one.
        api_key: Option<Secret> = "openai_compatible.api_key", "";
        /// Base URL of the server's API, such as `http://localhost:11434/v1`; without it there is no such provider.
        api_base: Option<HttpUrl> = "openai_compatible.api_base", "";
        /// The model for requests that name none.
        model: Option<String> = "openai_compatible.model", "";
    }
}
