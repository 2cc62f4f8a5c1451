//! A knowledge base: its settings, and the model that embeds its passages.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::KnowledgeBaseId;
use crate::origin::Origin;
use crate::ports::embeddings::EmbeddingModel;
use crate::wire::events;

/// The longest name of a knowledge base, in characters.
pub const MAX_BASE_NAME: usize = 100;
/// Most numbers in all vectors of a knowledge base: 1 GiB, of which searches keep a copy in memory.
const MAX_NUMBERS: u64 = 1 << 28;
/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 1_000;

events! {
    pub enum KnowledgeBaseEvent {
        Created(KnowledgeBaseCreated) = "kb.created" v 1,
        Updated(KnowledgeBaseUpdated) = "kb.updated" v 1,
        /// Its documents are deleted, one by one, because of this.
        Deleted(KnowledgeBaseDeleted) = "kb.deleted" v 1,
    }
}

/// Settings of a knowledge base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaseTerms {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Makes the vectors of its passages and of what is searched for. It stays as it was at first.
    pub embedding: EmbeddingModel,
}

/// Most passages of a knowledge base: the longer its vectors are, the fewer.
#[must_use]
pub fn most_passages(model: &EmbeddingModel) -> u64 {
    MAX_NUMBERS / u64::from(model.dimensions.max(1))
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnowledgeBaseCreated {
    pub terms: BaseTerms,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnowledgeBaseUpdated {
    pub before: BaseTerms,
    pub after: BaseTerms,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnowledgeBaseDeleted {
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

/// Changes to the settings; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BasePatch {
    pub name: Option<String>,
    /// `Some(None)` removes the description.
    pub description: Option<Option<String>>,
}

#[derive(Debug, Clone)]
pub enum BaseCommand {
    Create(Box<KnowledgeBaseCreated>),
    Update { patch: BasePatch, origin: Origin, now: Time },
    Delete { origin: Origin, now: Time },
}

/// Why a knowledge base refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseRefusal {
    #[error("the knowledge base does not exist")]
    Unknown,
    #[error("the knowledge base exists already")]
    Exists,
    /// The field at fault, and what is wrong with it.
    #[error("{1}")]
    Invalid(&'static str, &'static str),
}

/// State of a knowledge base, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct KnowledgeBase {
    created: Option<BaseTerms>,
    terms: Option<BaseTerms>,
    deleted: bool,
}

impl KnowledgeBase {
    /// The settings; `None` when it was never created, or is deleted.
    #[must_use]
    pub fn terms(&self) -> Option<&BaseTerms> {
        self.terms.as_ref().filter(|_| !self.deleted)
    }

    /// Whether it was created and is deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted
    }
}

fn check(terms: &BaseTerms) -> Result<(), BaseRefusal> {
    let fault = |field, detail| Err(BaseRefusal::Invalid(field, detail));
    if terms.name.trim().is_empty() || terms.name.chars().count() > MAX_BASE_NAME {
        return fault("name", "must have 1 to 100 characters");
    }
    if terms.description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
        return fault("description", "must have at most 1000 characters");
    }
    if !terms.embedding.is_valid() {
        return fault("embedding", "must name a model in 1 to 100 characters, and 1 to 4096 dimensions");
    }
    Ok(())
}

impl Aggregate for KnowledgeBase {
    const CATEGORY: &'static str = KnowledgeBaseId::CATEGORY;
    type Command = BaseCommand;
    type Event = KnowledgeBaseEvent;
    type Refusal = BaseRefusal;

    fn decide(&self, command: &BaseCommand) -> Result<Vec<KnowledgeBaseEvent>, BaseRefusal> {
        match command {
            BaseCommand::Create(created) => match &self.created {
                None => {
                    check(&created.terms)?;
                    Ok(vec![(**created).clone().into()])
                }
                // the same request again is no news
                Some(terms) if *terms == created.terms && !self.deleted => Ok(vec![]),
                Some(_) => Err(BaseRefusal::Exists),
            },
            BaseCommand::Update { patch, origin, now } => {
                let before = self.terms().ok_or(BaseRefusal::Unknown)?;
                let after = BaseTerms {
                    name: patch.name.clone().unwrap_or_else(|| before.name.clone()),
                    description: patch.description.clone().unwrap_or_else(|| before.description.clone()),
                    embedding: before.embedding.clone(),
                };
                check(&after)?;
                if after == *before {
                    return Ok(vec![]);
                }
                let (before, origin) = (before.clone(), origin.clone());
                Ok(vec![KnowledgeBaseUpdated { before, after, origin, at: *now }.into()])
            }
            BaseCommand::Delete { origin, now } => {
                self.terms().ok_or(BaseRefusal::Unknown)?;
                Ok(vec![KnowledgeBaseDeleted { origin: origin.clone(), at: *now }.into()])
            }
        }
    }

    fn evolve(&mut self, event: &KnowledgeBaseEvent) {
        match event {
            KnowledgeBaseEvent::Created(created) => {
                self.created = Some(created.terms.clone());
                self.terms = Some(created.terms.clone());
            }
            KnowledgeBaseEvent::Updated(updated) => self.terms = Some(updated.after.clone()),
            KnowledgeBaseEvent::Deleted(_) => self.deleted = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::embeddings::EmbeddingProvider;
    use crate::testing::calls::at;
    use crate::testing::scenario::scenario;

    fn terms(name: &str) -> BaseTerms {
        let embedding = EmbeddingModel::new(EmbeddingProvider::Hashed, "ngrams", 256);
        BaseTerms { name: name.to_owned(), description: None, embedding }
    }

    fn create(name: &str) -> BaseCommand {
        let (terms, origin) = (terms(name), Origin::default());
        BaseCommand::Create(Box::new(KnowledgeBaseCreated { terms, origin, at: at(1) }))
    }

    fn rename(name: &str) -> BaseCommand {
        let patch = BasePatch { name: Some(name.to_owned()), ..BasePatch::default() };
        BaseCommand::Update { patch, origin: Origin::default(), now: at(2) }
    }

    fn delete() -> BaseCommand {
        BaseCommand::Delete { origin: Origin::default(), now: at(3) }
    }

    #[test]
    fn a_base_is_created_once_and_the_same_request_is_no_news() {
        let there = scenario::<KnowledgeBase>().after([create("Clinic")]);
        there.clone().when(create("Clinic")).then_nothing();
        there.clone().when(create("Other")).then_refused(BaseRefusal::Exists);
        there.after([delete()]).when(create("Clinic")).then_refused(BaseRefusal::Exists);
    }

    #[test]
    fn a_base_keeps_its_model_when_it_is_renamed() {
        let (before, after) = (terms("Clinic"), terms("Praxis"));
        let there = scenario::<KnowledgeBase>().after([create("Clinic")]);
        there.clone().when(rename("Clinic")).then_nothing();
        let renamed = KnowledgeBaseUpdated { before, after, origin: Origin::default(), at: at(2) };
        there.when(rename("Praxis")).then([renamed.into()]);
    }

    #[test]
    fn a_base_needs_a_name_and_a_model() {
        let name = BaseRefusal::Invalid("name", "must have 1 to 100 characters");
        for bad in ["", "  ", &"x".repeat(101)] {
            scenario::<KnowledgeBase>().when(create(bad)).then_refused(name.clone());
        }
        let mut terms = terms("Clinic");
        terms.embedding.dimensions = 0;
        let create = KnowledgeBaseCreated { terms, origin: Origin::default(), at: at(1) };
        let refused = scenario::<KnowledgeBase>().when(BaseCommand::Create(Box::new(create)));
        let detail = "must name a model in 1 to 100 characters, and 1 to 4096 dimensions";
        refused.then_refused(BaseRefusal::Invalid("embedding", detail));
    }

    #[test]
    fn the_longer_vectors_are_the_fewer_passages_a_base_has() {
        let most = |dimensions| most_passages(&EmbeddingModel { dimensions, ..terms("Clinic").embedding });
        assert_eq!((most(256), most(512), most(4_096)), (1 << 20, 1 << 19, 1 << 16));
        assert_eq!(most(0), MAX_NUMBERS);
    }

    #[test]
    fn a_deleted_base_does_nothing() {
        let gone = scenario::<KnowledgeBase>().after([create("Clinic"), delete()]);
        gone.clone().when(rename("Praxis")).then_refused(BaseRefusal::Unknown);
        gone.when(delete()).then_refused(BaseRefusal::Unknown);
    }
}
