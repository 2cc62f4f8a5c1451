//! What is searched by vector and by words: an erasure takes out of the index what it found of the person.

use domain::envelope::StreamId;
use domain::ids::{ClientId, MemoryId};
use domain::ports::StoreUnavailable;
use domain::ports::vector_index::{Collection, Space};

use super::PrivacyDeps;

/// Removes the memories among these streams, with their words and vectors. The follower of the log does not bring them
/// back: it cannot read them any more.
pub(super) async fn remove(
    deps: &PrivacyDeps,
    client: ClientId,
    streams: &[StreamId],
) -> Result<(), StoreUnavailable> {
    let Some(index) = &deps.index else { return Ok(()) };
    let memories = streams.iter().filter(|stream| stream.category() == MemoryId::CATEGORY);
    let ids: Vec<_> = memories.map(StreamId::id).collect();
    for ids in ids.chunks(500) {
        index.remove(Space::new(client, Collection::Memories), ids).await?;
    }
    Ok(())
}
