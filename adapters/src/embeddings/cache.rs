//! Vectors that were made before, by a hash of what they were made of. Only in memory, only as many as fit.

use domain::ids::ClientId;
use domain::ports::embeddings::{Embedding, EmbeddingModel, EmbeddingTask};
use lru::LruCache;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// SHA-256 of client, model, task and text: another client's text is another entry.
pub(super) type ContentHash = [u8; 32];

pub(super) fn content_hash(
    client: ClientId,
    model: &EmbeddingModel,
    task: EmbeddingTask,
    text: &str,
) -> ContentHash {
    let task = match task {
        EmbeddingTask::Document => b'd',
        EmbeddingTask::Query => b'q',
    };
    let key = model.to_string();
    let hash = Sha256::new().chain_update(client.0.as_bytes()).chain_update([task]);
    hash.chain_update((key.len() as u64).to_le_bytes()).chain_update(key).chain_update(text).finalize().into()
}

/// The vectors used last, up to a number of bytes.
#[derive(Debug)]
pub(super) struct Cache {
    max_bytes: usize,
    vectors: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    bytes: usize,
    by_hash: LruCache<ContentHash, Embedding>,
}

/// Bytes that a vector takes, with its entry.
fn size(vector: &Embedding) -> usize {
    vector.values().len() * 4 + 150
}

impl Cache {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, vectors: Mutex::new(Kept { bytes: 0, by_hash: LruCache::unbounded() }) }
    }

    pub(super) fn get(&self, hash: &ContentHash) -> Option<Embedding> {
        self.vectors.lock().by_hash.get(hash).cloned()
    }

    pub(super) fn put(&self, hash: ContentHash, vector: Embedding) {
        let mut kept = self.vectors.lock();
        kept.bytes += size(&vector);
        if let Some(before) = kept.by_hash.put(hash, vector) {
            kept.bytes -= size(&before);
        }
        while kept.bytes > self.max_bytes
            && let Some((_, oldest)) = kept.by_hash.pop_lru()
        {
            kept.bytes -= size(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_keeps_what_fits_and_forgets_what_was_used_longest_ago() {
        let vector = || Embedding::normalised(vec![1.0; 8], 8).unwrap();
        let cache = Cache::new(2 * size(&vector()));
        cache.put([1; 32], vector());
        cache.put([2; 32], vector());
        assert!(cache.get(&[1; 32]).is_some());
        cache.put([3; 32], vector());
        cache.put([3; 32], vector());
        assert!(
            cache.get(&[2; 32]).is_none() && cache.get(&[1; 32]).is_some() && cache.get(&[3; 32]).is_some()
        );
        let none = Cache::new(0);
        none.put([1; 32], vector());
        assert!(none.get(&[1; 32]).is_none());
    }
}
