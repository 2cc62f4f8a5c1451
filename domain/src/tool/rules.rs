//! Commands and rules of a tool.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::event::{ToolAuth, ToolCreated, ToolDeleted, ToolEvent, ToolMethod, ToolTerms, ToolUpdated};
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::ToolId;
use crate::origin::Origin;
use crate::web_origin::same_web_origin;
use crate::webhook::endpoint::CustomHeaders;
use crate::webhook::secrets::{HeldSecrets, OverlapTooLong, Rotation};

/// The longest URL, in bytes.
pub const MAX_URL: usize = 2_048;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 1_024;
/// The longest schema of arguments, as JSON in bytes.
pub const MAX_PARAMETERS: usize = 16 << 10;
/// Allowed timeouts of a request, in milliseconds.
pub const TIMEOUT_MS: RangeInclusive<u32> = 100..=30_000;

/// Changes to a tool; `None` leaves a field as it is. A URL of another web origin drops the headers and the
/// credential that are not given again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolPatch {
    pub name: Option<String>,
    pub description: Option<String>,
    /// The caller checks that it is a valid JSON Schema.
    pub parameters: Option<Value>,
    /// The caller checks that the address is allowed.
    pub url: Option<String>,
    pub method: Option<ToolMethod>,
    pub headers: Option<CustomHeaders>,
    pub timeout_ms: Option<u32>,
    pub auth: Option<ToolAuth>,
}

impl ToolPatch {
    fn on(&self, terms: &ToolTerms) -> ToolTerms {
        let Self { name, description, parameters, url, method, headers, timeout_ms, auth } = self.clone();
        // what was given for one server is not sent to another
        let moves = url.as_ref().is_some_and(|url| !same_web_origin(url, &terms.url));
        let (kept_headers, kept_auth) = if moves {
            (CustomHeaders::default(), ToolAuth::default())
        } else {
            (terms.headers.clone(), terms.auth.clone())
        };
        ToolTerms {
            name: name.unwrap_or_else(|| terms.name.clone()),
            description: description.unwrap_or_else(|| terms.description.clone()),
            parameters: parameters.unwrap_or_else(|| terms.parameters.clone()),
            url: url.unwrap_or_else(|| terms.url.clone()),
            method: method.unwrap_or(terms.method),
            headers: headers.unwrap_or(kept_headers),
            timeout_ms: timeout_ms.unwrap_or(terms.timeout_ms),
            auth: auth.unwrap_or(kept_auth),
        }
    }
}

#[derive(Debug, Clone)]
pub enum ToolCommand {
    Create(Box<ToolCreated>),
    Update {
        patch: Box<ToolPatch>,
        origin: Origin,
        now: Time,
    },
    /// Signs with another secret from now on.
    Rotate(Rotation),
    Delete {
        origin: Origin,
        now: Time,
    },
}

/// Why the tool refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolRefusal {
    /// The tool was never created, or is deleted.
    #[error("the tool does not exist")]
    Unknown,
    #[error("the tool exists already")]
    Exists,
    /// The field at fault, and what is wrong with it.
    #[error("{1}")]
    Invalid(&'static str, &'static str),
}

impl From<OverlapTooLong> for ToolRefusal {
    fn from(_: OverlapTooLong) -> Self {
        Self::Invalid("overlap_seconds", OverlapTooLong::DETAIL)
    }
}

/// State of a tool, folded from its events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tool {
    terms: Option<ToolTerms>,
    /// Settings at creation, to recognise the very same request when it comes again.
    created: Option<ToolTerms>,
    secrets: HeldSecrets,
    deleted: bool,
}

impl Tool {
    /// The settings; `None` if the tool does not exist.
    #[must_use]
    pub fn terms(&self) -> Option<&ToolTerms> {
        self.terms.as_ref().filter(|_| !self.deleted)
    }

    /// The secrets that sign its requests.
    #[must_use]
    pub fn secrets(&self) -> &HeldSecrets {
        &self.secrets
    }
}

/// Whether every provider takes the text as the name of a function.
fn is_name(name: &str) -> bool {
    let right = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(right)
}

fn check(terms: &ToolTerms) -> Result<(), ToolRefusal> {
    let fault = |field, detail| Err(ToolRefusal::Invalid(field, detail));
    if !is_name(&terms.name) {
        return fault("name", "must have 1 to 64 of a-z, A-Z, 0-9, _ and -");
    }
    if terms.description.trim().is_empty() || terms.description.chars().count() > MAX_DESCRIPTION {
        return fault("description", "must have 1 to 1024 characters: it is what the model goes by");
    }
    let kind = terms.parameters.get("type");
    if !terms.parameters.is_object() || kind.is_some_and(|kind| kind != "object") {
        return fault("parameters", "must be a JSON Schema of an object");
    }
    if terms.parameters.to_string().len() > MAX_PARAMETERS {
        return fault("parameters", "must be at most 16 KiB");
    }
    if terms.url.is_empty() || terms.url.len() > MAX_URL {
        return fault("url", "must have 1 to 2048 bytes");
    }
    if !TIMEOUT_MS.contains(&terms.timeout_ms) {
        return fault("timeout_ms", "must be from 100 to 30000");
    }
    Ok(())
}

/// Whether two terms are the same wish. A secret that is sealed twice gives other bytes: it cannot be compared.
fn same_but_secrets(one: &ToolTerms, other: &ToolTerms) -> bool {
    let bare = |terms: &ToolTerms| {
        let mut bare = terms.clone();
        bare.headers.sealed = None;
        bare.auth.secret = None;
        bare
    };
    bare(one) == bare(other)
}

impl Aggregate for Tool {
    const CATEGORY: &'static str = ToolId::CATEGORY;
    type Command = ToolCommand;
    type Event = ToolEvent;
    type Refusal = ToolRefusal;

    fn decide(&self, command: &ToolCommand) -> Result<Vec<ToolEvent>, ToolRefusal> {
        match command {
            ToolCommand::Create(created) => match &self.created {
                None => {
                    check(&created.terms)?;
                    Ok(vec![(**created).clone().into()])
                }
                Some(before) if same_but_secrets(before, &created.terms) => Ok(vec![]),
                Some(_) => Err(ToolRefusal::Exists),
            },
            ToolCommand::Update { patch, origin, now } => {
                let before = self.terms().ok_or(ToolRefusal::Unknown)?;
                let after = patch.on(before);
                check(&after)?;
                if after == *before {
                    return Ok(vec![]);
                }
                let (before, origin) = (before.clone(), origin.clone());
                Ok(vec![ToolUpdated { before, after, origin, at: *now }.into()])
            }
            ToolCommand::Rotate(rotation) => {
                self.terms().ok_or(ToolRefusal::Unknown)?;
                Ok(vec![rotation.rotated()?.into()])
            }
            ToolCommand::Delete { origin, now } => {
                self.terms().ok_or(ToolRefusal::Unknown)?;
                Ok(vec![ToolDeleted { origin: origin.clone(), at: *now }.into()])
            }
        }
    }

    fn evolve(&mut self, event: &ToolEvent) {
        match event {
            ToolEvent::Created(created) => {
                self.created = Some(created.terms.clone());
                self.terms = Some(created.terms.clone());
                self.secrets = HeldSecrets::of(created.secret.as_ref());
            }
            ToolEvent::Updated(updated) => self.terms = Some(updated.after.clone()),
            ToolEvent::SecretRotated(rotated) => self.secrets.rotate(rotated),
            ToolEvent::Deleted(_) => {
                self.deleted = true;
                self.secrets.clear();
            }
        }
    }
}
