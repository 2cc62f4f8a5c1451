//! The whole configuration.

use std::path::Path;

use adapters::objects::Target;
use domain::ports::embeddings::EmbeddingProvider;

use super::actors::ActorsConfig;
use super::audit::AuditConfig;
use super::billing::{BillingConfig, StripeConfig};
use super::carriers::{TelnyxConfig, UltravoxConfig};
use super::conversations::ConversationsConfig;
use super::documents::DocumentsConfig;
use super::embeddings::EmbeddingsConfig;
use super::error::ConfigError;
use super::http::HttpConfig;
use super::identity_provider::IdentityProviderConfig;
use super::ivr::IvrConfig;
use super::keys::KeysConfig;
use super::limits::LimitsConfig;
use super::llm::LlmConfig;
use super::objects::{ObjectsConfig, RecordingsConfig};
use super::privacy::PrivacyConfig;
use super::providers::{AnthropicConfig, GoogleConfig, GroqConfig, OpenaiCompatibleConfig, OpenaiConfig};
use super::setting::Setting;
use super::sources::Sources;
use super::storage::StorageConfig;
use super::telemetry::TelemetryConfig;
use super::webhooks::WebhooksConfig;
use super::zones::ZonesConfig;

macro_rules! tree {
    ($($(#[doc = $doc:literal])* $field:ident: $section:ident,)*) => {
        /// All sections of the configuration. A fresh clone runs with the defaults alone.
        #[derive(Debug, Clone)]
        pub struct Config {
            $($(#[doc = $doc])* pub $field: $section,)*
        }

        impl Config {
            /// Every setting, in the order of the sections.
            #[must_use]
            pub fn settings() -> Vec<Setting> {
                [$($section::SETTINGS),*].concat()
            }

            /// Merges the sources. The error names the setting at fault.
            pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
                let given = sources.gather(&Self::settings())?;
                let config = Self { $($field: $section::read(&given)?,)* };
                config.check()
            }
        }
    };
}

tree! {
    /// How the HTTP server is reached.
    http: HttpConfig,
    /// Where the log, the views and other stores are.
    storage: StorageConfig,
    /// Where files are kept.
    objects: ObjectsConfig,
    /// How recordings of calls are fetched.
    recordings: RecordingsConfig,
    /// The node's own secrets.
    keys: KeysConfig,
    /// The operator's identity provider.
    identity_provider: IdentityProviderConfig,
    /// The node's account with Telnyx.
    telnyx: TelnyxConfig,
    /// The node's account with Ultravox.
    ultravox: UltravoxConfig,
    /// Cover of prepaid calls by credit.
    billing: BillingConfig,
    /// The node's account with Stripe.
    stripe: StripeConfig,
    /// The node's account with Groq.
    groq: GroqConfig,
    /// The node's account with OpenAI.
    openai: OpenaiConfig,
    /// The node's account with Anthropic.
    anthropic: AnthropicConfig,
    /// The node's account with Google.
    google: GoogleConfig,
    /// A self-hosted server that speaks OpenAI's protocol.
    openai_compatible: OpenaiCompatibleConfig,
    /// Time limits for language models.
    llm: LlmConfig,
    /// How texts become vectors.
    embeddings: EmbeddingsConfig,
    /// How documents of knowledge bases are read.
    documents: DocumentsConfig,
    /// Limits and behaviour of conversations.
    conversations: ConversationsConfig,
    /// Delivery of outbound webhooks.
    webhooks: WebhooksConfig,
    /// Limits of actors and effects.
    actors: ActorsConfig,
    /// Clients' rate limits and quotas.
    limits: LimitsConfig,
    /// IVR menus and their sessions.
    ivr: IvrConfig,
    /// Source of time zone rules.
    zones: ZonesConfig,
    /// Retention and witnesses of the audit log.
    audit: AuditConfig,
    /// Keys and retention of personal data.
    privacy: PrivacyConfig,
    /// Format and export of logs and traces.
    telemetry: TelemetryConfig,
}

impl Config {
    fn check(self) -> Result<Self, ConfigError> {
        if self.keys.master_key.is_some() && self.keys.master_key_file.is_some() {
            return Err(ConfigError::Both("master_key", "master_key_file"));
        }
        let provider = &self.identity_provider;
        if provider.jwks_url.is_some() && provider.discovery {
            return Err(ConfigError::Both("identity_provider.jwks_url", "identity_provider.discovery"));
        }
        if provider.is_set() {
            let place =
                if provider.discovery { "identity_provider.discovery" } else { "identity_provider.jwks_url" };
            // without them every token of the provider would be accepted, also one for another application
            if provider.issuer.is_none() {
                return Err(ConfigError::Without(place, "identity_provider.issuer"));
            }
            if provider.audience.is_none() {
                return Err(ConfigError::Without(place, "identity_provider.audience"));
            }
        }
        if self.embeddings.provider == EmbeddingProvider::OpenaiCompatible && self.embeddings.model.is_none()
        {
            return Err(ConfigError::Without("embeddings.provider", "embeddings.model"));
        }
        Ok(self)
    }

    /// The same configuration with all stores embedded in `folder` and a free port of this machine: for
    /// tests and the demo.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.storage.in_folder(folder);
        self.objects.target = Target::Folder(None);
        self.http.bind = ([127, 0, 0, 1], 0).into();
        self.http.public_url = None;
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs;

    use super::super::storage::EventStoreUrl;
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Sources {
        let environment = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Sources { environment, ..Sources::default() }
    }

    fn with_file(text: &str) -> (tempfile::TempDir, Sources) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("node.toml");
        fs::write(&file, text).unwrap();
        (folder, Sources { file: Some(file), ..Sources::default() })
    }

    fn refusal(sources: &Sources) -> String {
        Config::load(sources).unwrap_err().to_string()
    }

    #[test]
    fn nothing_set_is_a_working_node() {
        let config = Config::load(&Sources::default()).unwrap();
        assert_eq!(config.http.bind.to_string(), "127.0.0.1:9011");
        assert_eq!(config.storage.event_store(), EventStoreUrl::Sqlite("./data/events.db".into()));
        assert_eq!(config.telnyx.api_base.as_str(), "https://api.telnyx.com/v2");
        assert!(!config.webhooks.allow_private);
    }

    #[test]
    fn flags_win_over_environment_and_that_over_the_file() {
        let (_folder, mut sources) =
            with_file("bind = '127.0.0.1:1'\ndata_dir = 'file'\npublic_url = 'https://file.example'\n");
        sources.environment = vec![
            ("VOXLEDGER_BIND".into(), "127.0.0.1:2".into()),
            ("VOXLEDGER_DATA_DIR".into(), "env".into()),
        ];
        sources.flags = vec![("bind", "127.0.0.1:3".into())];
        let config = Config::load(&sources).unwrap();
        assert_eq!(config.http.bind.port(), 3);
        assert_eq!(config.storage.data_dir.to_str(), Some("env"));
        assert_eq!(config.http.public_url(config.http.bind), "https://file.example");
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let config = Config::load(&environment(&[("VOXLEDGER_BIND", ""), ("VOXLEDGER_LOG", " ")])).unwrap();
        assert_eq!(config.http.bind.port(), 9011);
    }

    #[test]
    fn an_unknown_key_is_named_with_the_one_that_was_meant() {
        let (_folder, sources) = with_file("[telnix]\napi_key = 'k'\n");
        let text = refusal(&sources);
        assert!(text.contains("unknown key `telnix.api_key`; did you mean `telnyx.api_key`?"), "{text}");
    }

    #[test]
    fn an_unknown_variable_is_named_with_the_one_that_was_meant() {
        let text = refusal(&environment(&[("VOXLEDGER_BNID", "x")]));
        assert_eq!(text, "unknown environment variable VOXLEDGER_BNID; did you mean `VOXLEDGER_BIND`?");
    }

    #[test]
    fn variables_of_others_and_of_the_test_suite_are_passed_over() {
        Config::load(&environment(&[("PATH", "x"), ("VOXLEDGER_TEST_POSTGRES", "x")])).unwrap();
    }

    #[test]
    fn a_bad_value_names_its_key_and_what_is_accepted() {
        let text = refusal(&environment(&[("VOXLEDGER_BIND", "nine")]));
        assert!(text.starts_with("`bind` (VOXLEDGER_BIND) cannot be `nine`: give an address"), "{text}");
        let (_folder, sources) = with_file("[http]\nworkers = 0\n");
        assert!(refusal(&sources).contains("`http.workers`"));
    }

    #[test]
    fn a_bad_secret_is_not_shown() {
        for variable in [
            "VOXLEDGER_MASTER_KEY",
            "VOXLEDGER_BOOTSTRAP_KEY",
            "VOXLEDGER_EVENT_STORE",
            "VOXLEDGER_OBJECT_STORE",
        ] {
            let text = refusal(&environment(&[(variable, "hunter2")]));
            assert!(text.contains(variable) && !text.contains("hunter2"), "{text}");
        }
        let (_folder, sources) = with_file("bind = '127.0.0.1:1'\nmaster_key = hunter2\n");
        let text = refusal(&sources);
        assert!(text.contains("line 2") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = Config::load(&environment(&[
            ("VOXLEDGER_TELNYX_API_KEY", "hunter2"),
            ("VOXLEDGER_GROQ_API_KEY", "hunter2"),
            ("VOXLEDGER_OBJECTS_SECRET_KEY", "hunter2"),
            ("VOXLEDGER_EVENT_STORE", "postgres://u:hunter2@h/db"),
            ("VOXLEDGER_MASTER_KEY", "aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnQ="),
        ]))
        .unwrap();
        let key = adapters::keys::MasterKey::new(*b"hunter2hunter2hunter2hunter2hunt");
        assert_eq!(config.keys.master_key, Some(key));
        let text = format!("{config:?}");
        assert!(!text.contains("hunter2") && !text.contains("104, 117, 110"), "{text}");
    }

    #[test]
    fn an_identity_provider_is_held_to_an_issuer_and_an_audience() {
        let jwks = ("VOXLEDGER_IDENTITY_PROVIDER_JWKS_URL", "https://login.example.com/jwks.json");
        let issuer = ("VOXLEDGER_IDENTITY_PROVIDER_ISSUER", "https://login.example.com/");
        let audience = ("VOXLEDGER_IDENTITY_PROVIDER_AUDIENCE", "voxledger");
        for half in [&[jwks][..], &[jwks, issuer], &[jwks, audience]] {
            let error = Config::load(&environment(half)).unwrap_err().to_string();
            assert!(error.contains("`identity_provider.jwks_url` needs it"), "{error}");
        }
        assert!(Config::load(&environment(&[jwks, issuer, audience])).is_ok());
        let discovery = ("VOXLEDGER_IDENTITY_PROVIDER_DISCOVERY", "true");
        assert!(Config::load(&environment(&[discovery, issuer, audience])).is_ok());
        let error = Config::load(&environment(&[discovery, audience])).unwrap_err().to_string();
        assert!(error.contains("`identity_provider.discovery` needs it"), "{error}");
        let error = Config::load(&environment(&[discovery, jwks, issuer, audience])).unwrap_err().to_string();
        assert!(error.contains("not both"), "{error}");
    }

    #[test]
    fn the_master_key_has_one_source() {
        let text = refusal(&environment(&[
            ("VOXLEDGER_MASTER_KEY", "aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnQ="),
            ("VOXLEDGER_MASTER_KEY_FILE", "key"),
        ]));
        assert_eq!(text, "set either `master_key` or `master_key_file`, not both");
    }

    #[test]
    fn every_setting_has_its_own_key_and_variable_and_a_meaning() {
        let settings = Config::settings();
        let variables: HashSet<String> = settings.iter().map(Setting::variable).collect();
        assert_eq!(variables.len(), settings.len());
        assert!(settings.iter().all(|s| s.meaning.ends_with('.')));
    }

    #[test]
    fn the_readme_lists_every_setting_as_it_is() {
        let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
        for setting in Config::settings() {
            let default = match setting.default {
                "" => "—".to_owned(),
                text => format!("`{text}`"),
            };
            let line = format!("| `{}` | {default} | {} |", setting.variable(), setting.meaning.trim());
            assert!(readme.contains(&line), "the README lacks this line:\n{line}");
        }
    }
}
