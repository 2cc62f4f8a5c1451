//! Sources of settings, and their precedence.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::{ConfigError, nearest};
use super::otel::{STANDARD, in_our_words};
use super::setting::Setting;
use super::value::Value;

/// The file that is read when the user names none.
const DEFAULT_FILE: &str = "voxledger.toml";
const PREFIX: &str = "VOXLEDGER_";
/// Environment variable that names the file; not a setting itself.
const FILE_VARIABLE: &str = "VOXLEDGER_CONFIG";
/// Prefix of the test suite's variables, which child processes inherit.
const TEST_PREFIX: &str = "VOXLEDGER_TEST_";
/// Environment variable with the binary that the test suite runs.
const BINARY_VARIABLE: &str = "VOXLEDGER_BIN";

/// The sources to merge: file < environment < flags.
#[derive(Clone, Default)]
pub struct Sources {
    /// A file named by the user. `None`: `./voxledger.toml`, if it exists.
    pub file: Option<PathBuf>,
    /// The environment; variables without our prefix are ignored.
    pub environment: Vec<(String, String)>,
    /// Settings from flags: each setting's key with its value.
    pub flags: Vec<(&'static str, String)>,
}

// the environment holds secrets
impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Sources {
    /// The environment and the command-line settings of this process.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(&'static str, String)>) -> Self {
        let environment = env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok().filter(|name| is_read(name))?;
                Some((name, value.to_string_lossy().into_owned()))
            })
            .collect();
        Self { file, environment, flags }
    }

    /// Reads every source and refuses settings that `settings` does not declare.
    pub(super) fn gather(&self, settings: &[Setting]) -> Result<GivenSettings, ConfigError> {
        let mut given = GivenSettings::default();
        let named = self.file.clone().or_else(|| self.variable(FILE_VARIABLE).map(PathBuf::from));
        match named {
            Some(file) => given.add_file(&file, settings)?,
            None if Path::new(DEFAULT_FILE).exists() => given.add_file(Path::new(DEFAULT_FILE), settings)?,
            None => {}
        }
        given.add_environment(&self.environment, settings)?;
        for (key, value) in &self.flags {
            let flag = format!("--{}", key.replace('_', "-"));
            given.values.insert((*key).to_owned(), (value.clone(), flag));
        }
        Ok(given)
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let (_, value) = self.environment.iter().find(|(n, value)| n == name && !value.is_empty())?;
        Some(value)
    }
}

/// The settings that were given, as text, each with its source.
#[derive(Default)]
pub(super) struct GivenSettings {
    values: HashMap<String, (String, String)>,
}

impl GivenSettings {
    /// The value of a setting. An empty text counts as not given.
    pub(super) fn read<T: Value>(&self, key: &'static str, default: &str) -> Result<T, ConfigError> {
        let (text, origin) = match self.values.get(key) {
            Some((text, origin)) if !text.trim().is_empty() => (text.trim(), origin.as_str()),
            _ => (default, "default"),
        };
        let value = if text.is_empty() { T::absent() } else { T::parse(text) };
        value.ok_or_else(|| ConfigError::BadValue {
            key,
            origin: origin.to_owned(),
            shown: if T::SECRET { "what it is".to_owned() } else { format!("`{text}`") },
            accepts: T::ACCEPTS,
        })
    }

    fn add_file(&mut self, file: &Path, settings: &[Setting]) -> Result<(), ConfigError> {
        let text = fs::read_to_string(file)
            .map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
            file: file.to_owned(),
            line: text[..error.span().map_or(0, |span| span.start.min(text.len()))].matches('\n').count() + 1,
            message: error.message().to_owned(),
        })?;
        let mut leaves = Vec::new();
        flatten("", table, &mut leaves);
        for (key, value) in leaves {
            let Some(setting) = settings.iter().find(|setting| setting.key == key) else {
                let nearest = nearest(&key, settings.iter().map(|s| s.key)).map(str::to_owned);
                return Err(ConfigError::UnknownKey { file: file.to_owned(), key, nearest });
            };
            let origin = file.display().to_string();
            let Some(value) = value else {
                let (key, accepts) = (setting.key, setting.accepts);
                return Err(ConfigError::BadValue { key, origin, shown: "a list".to_owned(), accepts });
            };
            self.values.insert(key, (value, origin));
        }
        Ok(())
    }

    fn add_environment(
        &mut self,
        variables: &[(String, String)],
        settings: &[Setting],
    ) -> Result<(), ConfigError> {
        let given = |wanted: &str| {
            let named = variables.iter().find(|(name, value)| name == wanted && !value.trim().is_empty());
            named.map(|(_, value)| value)
        };
        // our own endpoint setting means traces, so it also overrides the standard traces endpoint
        let own = given("VOXLEDGER_OTLP_ENDPOINT").is_some();
        for (name, key) in STANDARD {
            if let Some(value) = given(name).filter(|_| !(own && *key == "otlp_traces_endpoint")) {
                self.values.insert((*key).to_owned(), (in_our_words(name, value), (*name).to_owned()));
            }
        }
        let known: HashMap<String, &str> = settings.iter().map(|s| (s.variable(), s.key)).collect();
        for (name, value) in variables.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
            match known.get(name) {
                Some(key) if !value.trim().is_empty() => {
                    self.values.insert((*key).to_owned(), (value.clone(), name.clone()));
                }
                Some(_) => {}
                None if name == FILE_VARIABLE || name == BINARY_VARIABLE || name.starts_with(TEST_PREFIX) => {
                }
                None => {
                    let nearest = nearest(name, known.keys().map(String::as_str)).map(str::to_owned);
                    return Err(ConfigError::UnknownVariable { name: name.clone(), nearest });
                }
            }
        }
        Ok(())
    }
}

/// Whether an environment variable may be a setting.
fn is_read(name: &str) -> bool {
    name.starts_with(PREFIX) || STANDARD.iter().any(|(standard, _)| *standard == name)
}

/// Flattens nested tables into dotted keys with their text; `None` stands for a list, which no setting accepts.
fn flatten(prefix: &str, table: toml::Table, into: &mut Vec<(String, Option<String>)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(&key, inner, into),
            toml::Value::Array(_) => into.push((key, None)),
            toml::Value::String(text) => into.push((key, Some(text))),
            toml::Value::Integer(number) => into.push((key, Some(number.to_string()))),
            toml::Value::Float(number) => into.push((key, Some(number.to_string()))),
            toml::Value::Boolean(truth) => into.push((key, Some(truth.to_string()))),
            toml::Value::Datetime(time) => into.push((key, Some(time.to_string()))),
        }
    }
}
