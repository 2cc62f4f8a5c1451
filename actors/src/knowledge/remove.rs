//! Removes what is left of deleted documents and knowledge bases: passages, vectors and files.

use std::time::Duration;

use domain::ids::{ClientId, DocumentId, KnowledgeBaseId};
use domain::knowledge::{DocumentCommand, DocumentRefusal, KnowledgeDocument};
use domain::origin::Origin;
use domain::ports::objects::ObjectKey;
use domain::ports::outbox::OutboxItem;
use domain::ports::vector_index::{Collection, Space};

use super::KnowledgeDeps;
use super::ingest::attempt;
use super::places::pause;
use crate::context::CommandContext;
use crate::outbox::{NextStep, backoff};
use crate::session::{CommandError, Session};
use crate::uploads::UploadError;

/// Documents that are deleted in one go.
const BATCH: u32 = 100;

/// Removes the files that no revision of the document needs any more. Fails with a description.
pub(super) async fn objects(
    deps: &KnowledgeDeps,
    client: ClientId,
    id: DocumentId,
    document: &KnowledgeDocument,
) -> Result<(), String> {
    for revision in document.given_up() {
        let key = ObjectKey::of_document(client, id.0, attempt(id, revision));
        deps.reader.remove(&key).await.map_err(|error| error.to_string())?;
    }
    for object in document.needless_objects() {
        let Ok(key) = object.parse() else { continue };
        deps.reader.remove(&key).await.map_err(|error| error.to_string())?;
    }
    for upload in document.needless_uploads() {
        match deps.uploads.discard(client, *upload, &id.to_string()).await {
            Ok(()) | Err(UploadError::Command(CommandError::Refused(_) | CommandError::OtherClient)) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

/// Removes the passages and files of a deleted document.
pub(crate) async fn document(
    deps: &KnowledgeDeps,
    item: &OutboxItem,
) -> Result<NextStep, CommandError<DocumentRefusal>> {
    let later = |why: String| NextStep::postpone(backoff(item.attempts + 1, item.effect_id), &why);
    let Some(_lock) = deps.places.lock(item.subject) else {
        let pause = pause(item.attempts.saturating_add(1), item.effect_id);
        return Ok(NextStep::postpone(pause, &"the document is still being read"));
    };
    let id = DocumentId(item.subject);
    let mut session = Session::<KnowledgeDocument>::new(deps.knowledge.runtime.clone(), id.stream());
    session.refresh().await?;
    let Some(base) = session.state().base().filter(|_| session.state().is_deleted()) else {
        return Ok(NextStep::NOTHING_TO_DO);
    };
    let space = Space::new(item.client, Collection::KnowledgeBase(base.0));
    // the group is removed by any model's name: all models' vectors go with their entries
    let model = deps.knowledge.embeddings.default_model();
    if let Err(error) = deps.knowledge.index.replace_group(space, &model, id.0, &[]).await {
        return Ok(later(error.to_string()));
    }
    match objects(deps, item.client, id, session.state()).await {
        Ok(()) => Ok(NextStep::NOTHING_TO_DO),
        Err(why) => Ok(later(why)),
    }
}

/// Deletes the documents of a deleted knowledge base, then its space in the index.
pub(crate) async fn base(
    deps: &KnowledgeDeps,
    item: &OutboxItem,
) -> Result<NextStep, CommandError<DocumentRefusal>> {
    let later =
        |why: &dyn std::fmt::Display| NextStep::postpone(backoff(item.attempts + 1, item.effect_id), &why);
    let (base, runtime) = (KnowledgeBaseId(item.subject), &deps.knowledge.runtime);
    let known = deps.knowledge.catalogue.of_base(item.client, base, item.position, BATCH).await;
    let documents = match known {
        Ok(Some(documents)) => documents,
        Ok(None) => return Ok(later(&"the views do not show all documents yet")),
        Err(error) => return Ok(later(&error)),
    };
    if documents.is_empty() {
        let space = Space::new(item.client, Collection::KnowledgeBase(base.0));
        return Ok(match deps.knowledge.index.erase(space).await {
            Ok(()) => NextStep::NOTHING_TO_DO,
            Err(error) => later(&error),
        });
    }
    let context = CommandContext::following("outbox", item.client, &item.cause);
    for id in documents {
        let mut session = Session::<KnowledgeDocument>::new(runtime.clone(), id.stream());
        let delete = DocumentCommand::Delete { origin: Origin::default(), now: runtime.clock.now() };
        match session.execute(&delete, &context, None).await {
            Ok(_) | Err(CommandError::Refused(_) | CommandError::OtherClient) => {}
            Err(error) => return Err(error),
        }
    }
    // the views must show that these are gone before the next ones are looked for
    Ok(NextStep::postpone(Duration::from_millis(200), &"more documents may be left"))
}
