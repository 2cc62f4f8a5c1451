//! Records memories; what is known already is confirmed, and what is contradicted holds no more.

use std::time::Duration;

use domain::ids::{ClientId, MemoryId};
use domain::memory::{Memory, MemoryCommand, MemoryRefusal, MemoryTerms, NewMemory, says_the_same};
use domain::ports::StoreUnavailable;
use domain::ports::embeddings::{Embedding, EmbeddingTask};
use domain::ports::outbox::Cause;
use domain::ports::vector_index::{Collection, IndexEntry, IndexQuery, Space};

use super::MemoryService;
use crate::context::CommandContext;
use crate::session::{CommandError, Receipt, Session};

/// Memories that are looked at for one that says the same.
const ALIKE: usize = 10;
/// How long recording waits for a vector; the follower makes it later.
const VECTOR_WAIT: Duration = Duration::from_millis(500);

/// What became of something that was to be remembered.
#[derive(Debug, Clone, Copy)]
pub struct Learned {
    pub id: MemoryId,
    pub receipt: Receipt,
    /// Whether it is a new memory; otherwise it was known, and is surer now.
    pub new: bool,
}

pub(super) const fn space(client: ClientId) -> Space {
    Space::new(client, Collection::Memories)
}

impl MemoryService {
    /// Records `new` under `id`, unless the customer has an active memory of that kind that says the same: then that one is
    /// confirmed. The memory that it supersedes holds no more.
    pub async fn learn(
        &self,
        context: &CommandContext,
        id: MemoryId,
        new: NewMemory,
    ) -> Result<Learned, CommandError<MemoryRefusal>> {
        new.terms
            .check(new.now)
            .map_err(|(field, detail)| CommandError::Refused(MemoryRefusal::Invalid(field, detail)))?;
        if new.supersedes.is_none()
            && let Some(known) = self.known(context, &new).await?
        {
            return Ok(known);
        }
        let (client, now, supersedes) = (context.client, new.now, new.supersedes);
        let mut session = Session::<Memory>::on_new_stream(self.runtime.clone(), id.stream());
        let record = MemoryCommand::Record(Box::new(new));
        let receipt = session.execute(&record, context, None).await?;
        self.find_at_once(client, id).await;
        if let Some(old) = supersedes {
            self.supersede(context, old, id, now).await?;
        }
        Ok(Learned { id, receipt, new: true })
    }

    /// Confirms a memory that says the same, if there is one.
    async fn known(
        &self,
        context: &CommandContext,
        new: &NewMemory,
    ) -> Result<Option<Learned>, CommandError<MemoryRefusal>> {
        let Some(content) = new.terms.content.reveal() else { return Ok(None) };
        let unavailable = |error: StoreUnavailable| CommandError::Unavailable(error.to_string());
        let mut hits = Vec::new();
        for customer in self.customers.with_merged(context.client, new.customer).await.map_err(unavailable)? {
            let query =
                IndexQuery { group: Some(customer.0), near: None, words: Some(content), limit: ALIKE };
            hits.extend(self.index.search(space(context.client), &query).await.map_err(unavailable)?);
        }
        for hit in hits.into_iter().filter(|hit| says_the_same(&hit.text, content)) {
            let id = MemoryId(hit.id);
            let mut session = Session::<Memory>::new(self.runtime.clone(), id.stream());
            session.ensure_loaded().await?;
            let is_same = |terms: &MemoryTerms| {
                let expiry = new.terms.expires_at;
                terms.kind == new.terms.kind && (expiry.is_none() || expiry == terms.expires_at)
            };
            if !session.state().active().is_some_and(is_same) {
                continue;
            }
            let confirm =
                MemoryCommand::Confirm { source: new.source, evidence: new.evidence.clone(), now: new.now };
            match session.execute(&confirm, context, None).await {
                Ok(receipt) => return Ok(Some(Learned { id, receipt, new: false })),
                // it has ended meanwhile
                Err(CommandError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Ends a memory that a newer one contradicts. The follower of the log does so again, in case this node stops before.
    pub(super) async fn supersede(
        &self,
        context: &CommandContext,
        old: MemoryId,
        by: MemoryId,
        now: domain::envelope::Time,
    ) -> Result<(), CommandError<MemoryRefusal>> {
        let mut session = Session::<Memory>::new(self.runtime.clone(), old.stream());
        match session.execute(&MemoryCommand::Supersede { by, now }, context, None).await {
            Ok(_) | Err(CommandError::Refused(_) | CommandError::OtherClient) => {}
            Err(error) => return Err(error),
        }
        self.drop_from_index(context.client, old).await;
        Ok(())
    }

    /// Ends a memory whose time is over.
    pub(crate) async fn expire(
        &self,
        client: ClientId,
        id: MemoryId,
        cause: &Cause,
    ) -> Result<(), CommandError<MemoryRefusal>> {
        let context = CommandContext::following("timer", client, cause);
        let mut session = Session::<Memory>::new(self.runtime.clone(), id.stream());
        let now = self.runtime.clock.now();
        let receipt = session.execute(&MemoryCommand::Expire { now }, &context, None).await?;
        if receipt.position.is_some() {
            self.drop_from_index(client, id).await;
        }
        Ok(())
    }

    /// Puts a memory into the index at once, so that it is found in the next moment. The follower of the log does it again.
    async fn find_at_once(&self, client: ClientId, id: MemoryId) {
        let put = async {
            let (entries, _) = self.bring_up_to_date(client, &[id]).await?;
            for entry in entries {
                // made later by the worker
                let vector = self.vector(client, EmbeddingTask::Document, &entry.text, VECTOR_WAIT).await;
                let Ok(vector) = vector else { continue };
                let with = IndexEntry { vector: Some(vector), ..entry };
                let (model, with) = (self.embeddings.default_model(), [with]);
                let set = self.index.set_vectors(space(client), &model, &with);
                set.await.map_err(|error| CommandError::Unavailable(error.to_string()))?;
            }
            Ok::<_, CommandError<MemoryRefusal>>(())
        };
        if let Err(error) = put.await {
            tracing::info!(%error, "a memory is put into the index later");
        }
    }

    /// Takes a memory out of the index at once; the follower of the log does it again.
    pub async fn drop_from_index(&self, client: ClientId, id: MemoryId) {
        if let Err(error) = self.index.remove(space(client), &[id.0]).await {
            tracing::info!(%error, "a memory is taken out of the index later");
        }
    }

    /// The vector of one text; fails with a word for why there is none within `wait`.
    pub(super) async fn vector(
        &self,
        client: ClientId,
        task: EmbeddingTask,
        text: &str,
        wait: Duration,
    ) -> Result<Embedding, &'static str> {
        let (model, texts) = (self.embeddings.default_model(), [text.to_owned()]);
        let embedding = self.embeddings.embed(client, &model, task, &texts);
        let vectors = tokio::time::timeout(wait, embedding).await.map_err(|_| "embedding_late")?;
        vectors.map_err(|_| "embedding_failed")?.pop().ok_or("embedding_failed")
    }
}
