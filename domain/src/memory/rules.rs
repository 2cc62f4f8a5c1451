//! Commands and rules of a memory.

use super::event::{
    MemoryConfirmed, MemoryEvent, MemoryExpired, MemoryForgotten, MemoryKind, MemoryRecorded, MemorySource,
    MemorySuperseded, MemoryUpdated,
};
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::{CustomerId, MemoryId, MessageId};
use crate::personal::Personal;

/// Longest content, in characters.
pub const MAX_CONTENT: usize = 1_000;
/// Most messages that show one memory; later ones are not added.
pub const MAX_EVIDENCE: usize = 20;

/// A field at fault, and what is wrong with it.
pub type MemoryFault = (&'static str, &'static str);

/// What a memory says.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryTerms {
    pub content: Personal<String>,
    pub kind: MemoryKind,
    /// How sure it is, in thousandths.
    pub confidence_permille: u16,
    /// `None`: it does not expire.
    pub expires_at: Option<Time>,
}

impl MemoryTerms {
    /// Answers the first field that is out of its limits.
    pub fn check(&self, now: Time) -> Result<(), MemoryFault> {
        let content = self.content.reveal().map_or("", |content| content.trim());
        if content.is_empty() || content.chars().count() > MAX_CONTENT {
            return Err(("content", "must have 1 to 1000 characters"));
        }
        if self.confidence_permille > 1_000 {
            return Err(("confidence", "must be from 0 to 1"));
        }
        if self.expires_at.is_some_and(|at| at <= now) {
            return Err(("expires_at", "must be in the future"));
        }
        Ok(())
    }
}

/// A memory to record.
#[derive(Debug, Clone)]
pub struct NewMemory {
    pub customer: CustomerId,
    pub terms: MemoryTerms,
    pub source: MemorySource,
    /// Messages that show it; no more than [`MAX_EVIDENCE`] are kept.
    pub evidence: Vec<MessageId>,
    /// The memory that it contradicts.
    pub supersedes: Option<MemoryId>,
    pub now: Time,
}

/// Changes to a memory; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct MemoryPatch {
    pub content: Option<String>,
    pub kind: Option<MemoryKind>,
    pub confidence_permille: Option<u16>,
    /// `Some(None)`: it does not expire any more.
    pub expires_at: Option<Option<Time>>,
}

#[derive(Debug, Clone)]
pub enum MemoryCommand {
    Record(Box<NewMemory>),
    /// It was learned again.
    Confirm {
        source: MemorySource,
        evidence: Vec<MessageId>,
        now: Time,
    },
    Change {
        patch: MemoryPatch,
        now: Time,
    },
    Supersede {
        by: MemoryId,
        now: Time,
    },
    Forget {
        now: Time,
    },
    /// The timer of its expiry fired.
    Expire {
        now: Time,
    },
}

/// Why the memory refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryRefusal {
    /// The memory was never recorded, or is forgotten.
    #[error("the memory does not exist")]
    Unknown,
    #[error("the memory exists already")]
    Exists,
    /// The field at fault, and what is wrong with it.
    #[error("{1}")]
    Invalid(&'static str, &'static str),
    #[error("the memory is {0}: record a new one")]
    Over(&'static str),
    /// The timer of its expiry fired before that time, by the clock of this node.
    #[error("the memory does not expire yet")]
    NotYet,
}

/// Whether a memory still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryStatus {
    Active,
    /// Something newer contradicts it.
    Superseded,
    Expired,
}

impl MemoryStatus {
    pub const ALL: [MemoryStatus; 3] = [Self::Active, Self::Superseded, Self::Expired];

    /// Name as shown in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
        }
    }

    /// Reads a name of the API; `None` for an unknown one.
    #[must_use]
    pub fn from_name(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// State of a memory, folded from its events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    recorded: Option<MemoryRecorded>,
    terms: Option<MemoryTerms>,
    evidence: Vec<MessageId>,
    /// `None`: it is active, or was never recorded.
    over: Option<MemoryStatus>,
    forgotten: bool,
}

impl Memory {
    /// What the memory says, whether it still holds or not; `None` if it does not exist.
    #[must_use]
    pub fn terms(&self) -> Option<&MemoryTerms> {
        self.terms.as_ref().filter(|_| !self.forgotten)
    }

    /// What the memory says, while it holds.
    #[must_use]
    pub fn active(&self) -> Option<&MemoryTerms> {
        self.terms().filter(|_| self.over.is_none())
    }

    /// Messages that show it, at most [`MAX_EVIDENCE`].
    #[must_use]
    pub fn evidence(&self) -> &[MessageId] {
        &self.evidence
    }

    /// The customer that it is about; `None` if it was never recorded.
    #[must_use]
    pub fn customer(&self) -> Option<CustomerId> {
        self.recorded.as_ref().map(|recorded| recorded.customer)
    }

    /// Where it comes from; `None` if it was never recorded.
    #[must_use]
    pub fn source(&self) -> Option<MemorySource> {
        self.recorded.as_ref().map(|recorded| recorded.source)
    }

    /// The memory that it contradicts.
    #[must_use]
    pub fn supersedes(&self) -> Option<MemoryId> {
        self.recorded.as_ref().and_then(|recorded| recorded.supersedes)
    }

    fn live(&self) -> Result<(&MemoryTerms, CustomerId), MemoryRefusal> {
        let terms = self.terms().zip(self.customer()).ok_or(MemoryRefusal::Unknown)?;
        match self.over {
            None => Ok(terms),
            Some(over) => Err(MemoryRefusal::Over(over.as_str())),
        }
    }

    fn is_recorded_as(&self, new: &NewMemory) -> bool {
        self.recorded.as_ref().is_some_and(|recorded| {
            recorded.customer == new.customer
                && recorded.content == new.terms.content
                && recorded.kind == new.terms.kind
                && recorded.source == new.source
        })
    }
}

fn changed(before: &MemoryTerms, after: &MemoryTerms) -> Vec<String> {
    let fields = [
        ("content", before.content != after.content),
        ("kind", before.kind != after.kind),
        ("confidence", before.confidence_permille != after.confidence_permille),
        ("expires_at", before.expires_at != after.expires_at),
    ];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect()
}

impl Aggregate for Memory {
    const CATEGORY: &'static str = MemoryId::CATEGORY;
    type Command = MemoryCommand;
    type Event = MemoryEvent;
    type Refusal = MemoryRefusal;

    fn decide(&self, command: &MemoryCommand) -> Result<Vec<MemoryEvent>, MemoryRefusal> {
        match command {
            // the same request again is no news
            MemoryCommand::Record(new) if self.is_recorded_as(new) && !self.forgotten => Ok(vec![]),
            MemoryCommand::Record(_) if self.recorded.is_some() => Err(MemoryRefusal::Exists),
            MemoryCommand::Record(new) => {
                let NewMemory { customer, terms, source, evidence, supersedes, now } = (**new).clone();
                terms.check(now).map_err(|(field, detail)| MemoryRefusal::Invalid(field, detail))?;
                let MemoryTerms { content, kind, confidence_permille, expires_at } = terms;
                let evidence = evidence.into_iter().take(MAX_EVIDENCE).collect();
                Ok(vec![
                    MemoryRecorded {
                        customer,
                        content,
                        kind,
                        source,
                        evidence,
                        confidence_permille,
                        expires_at,
                        supersedes,
                        at: now,
                    }
                    .into(),
                ])
            }
            MemoryCommand::Confirm { source, evidence, now } => {
                let (terms, _) = self.live()?;
                // the same messages say nothing new, whoever reads them again
                if !evidence.is_empty() && evidence.iter().all(|one| self.evidence.contains(one)) {
                    return Ok(vec![]);
                }
                let room = MAX_EVIDENCE.saturating_sub(self.evidence.len());
                let new = evidence.iter().filter(|one| !self.evidence.contains(one));
                let evidence: Vec<MessageId> = new.take(room).copied().collect();
                // each time half of the doubt goes
                let confidence_permille = 1_000 - (1_000 - terms.confidence_permille) / 2;
                if evidence.is_empty() && confidence_permille == terms.confidence_permille {
                    return Ok(vec![]);
                }
                Ok(vec![MemoryConfirmed { source: *source, evidence, confidence_permille, at: *now }.into()])
            }
            MemoryCommand::Change { patch, now } => {
                let (before, customer) = self.live()?;
                let MemoryPatch { content, kind, confidence_permille, expires_at } = patch.clone();
                let after = MemoryTerms {
                    content: content.map_or_else(|| before.content.clone(), Personal::new),
                    kind: kind.unwrap_or(before.kind),
                    confidence_permille: confidence_permille.unwrap_or(before.confidence_permille),
                    expires_at: expires_at.unwrap_or(before.expires_at),
                };
                let fields = changed(before, &after);
                if fields.is_empty() {
                    return Ok(vec![]);
                }
                after.check(*now).map_err(|(field, detail)| MemoryRefusal::Invalid(field, detail))?;
                let MemoryTerms { content, kind, confidence_permille, expires_at } = after;
                Ok(vec![
                    MemoryUpdated {
                        customer,
                        fields,
                        content,
                        kind,
                        confidence_permille,
                        expires_at,
                        at: *now,
                    }
                    .into(),
                ])
            }
            MemoryCommand::Supersede { by, now } => match self.live() {
                Ok(_) => Ok(vec![MemorySuperseded { by: *by, at: *now }.into()]),
                // it does not hold any more, which is what was wanted
                Err(MemoryRefusal::Over(_)) => Ok(vec![]),
                Err(refusal) => Err(refusal),
            },
            MemoryCommand::Forget { now } => {
                self.terms().ok_or(MemoryRefusal::Unknown)?;
                Ok(vec![MemoryForgotten { at: *now }.into()])
            }
            MemoryCommand::Expire { now } => {
                match self.active().and_then(|terms| terms.expires_at) {
                    Some(due) if due <= *now => Ok(vec![MemoryExpired { at: *now }.into()]),
                    // it was given more time since the timer was set, or that was set by another node's clock
                    Some(_) => Err(MemoryRefusal::NotYet),
                    None => Ok(vec![]),
                }
            }
        }
    }

    fn evolve(&mut self, event: &MemoryEvent) {
        match event {
            MemoryEvent::Recorded(recorded) => {
                self.terms = Some(MemoryTerms {
                    content: recorded.content.clone(),
                    kind: recorded.kind,
                    confidence_permille: recorded.confidence_permille,
                    expires_at: recorded.expires_at,
                });
                self.evidence.clone_from(&recorded.evidence);
                self.recorded = Some(recorded.clone());
            }
            MemoryEvent::Confirmed(confirmed) => {
                self.evidence.extend(&confirmed.evidence);
                if let Some(terms) = &mut self.terms {
                    terms.confidence_permille = confirmed.confidence_permille;
                }
            }
            MemoryEvent::Updated(updated) => {
                self.terms = Some(MemoryTerms {
                    content: updated.content.clone(),
                    kind: updated.kind,
                    confidence_permille: updated.confidence_permille,
                    expires_at: updated.expires_at,
                });
            }
            MemoryEvent::Superseded(_) => self.over = Some(MemoryStatus::Superseded),
            MemoryEvent::Expired(_) => self.over = Some(MemoryStatus::Expired),
            MemoryEvent::Forgotten(_) => self.forgotten = true,
        }
    }
}
