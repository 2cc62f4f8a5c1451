//! Configuration: a tree of documented sections with working defaults.
//!
//! Defaults < `voxledger.toml` < `VOXLEDGER_…` environment < flags. A setting is declared once, in its section;
//! its key in the file, its environment variable and its line in the README follow from that declaration.
//! A key that no section declares is an error that names it.

mod actors;
mod audit;
mod billing;
mod carriers;
mod conversations;
mod documents;
mod embeddings;
mod error;
mod http;
mod identity_provider;
mod ivr;
mod keys;
mod limits;
mod llm;
mod objects;
mod otel;
mod privacy;
mod providers;
mod setting;
mod sources;
mod storage;
mod telemetry;
mod tree;
mod value;
mod webhooks;
mod zones;

pub use actors::ActorsConfig;
pub use api_http::Secret;
pub use audit::AuditConfig;
pub use billing::{BillingConfig, StripeConfig};
pub use carriers::{TelnyxConfig, UltravoxConfig};
pub use conversations::ConversationsConfig;
pub use documents::DocumentsConfig;
pub use embeddings::EmbeddingsConfig;
pub use error::ConfigError;
pub use http::HttpConfig;
pub use identity_provider::IdentityProviderConfig;
pub use ivr::IvrConfig;
pub use keys::KeysConfig;
pub use limits::LimitsConfig;
pub use llm::LlmConfig;
pub use objects::{ObjectsConfig, RecordingsConfig};
pub use otel::{OtlpCompression, OtlpExporter, OtlpHeaders, OtlpProtocol, OtlpSampler, ResourceAttributes};
pub use privacy::PrivacyConfig;
pub use providers::{AnthropicConfig, GoogleConfig, GroqConfig, OpenaiCompatibleConfig, OpenaiConfig};
pub use setting::Setting;
pub use sources::Sources;
pub use storage::{EventStoreUrl, ReadModelsUrl, StorageConfig};
pub use telemetry::{LogFilter, LogFormat, TelemetryConfig};
pub use tree::Config;
pub use value::{Days, HttpUrl, Origins, Pointer, SecretHttpUrl, Share};
pub use webhooks::WebhooksConfig;
pub use zones::{ZoneSource, ZonesConfig};
