//! Pages of a log, read and hashed ahead of whoever takes them.

use std::sync::Arc;

use domain::envelope::{Position, Recorded};
use domain::merkle::{Entry, Hash, leaf_hash};
use domain::ports::event_store::{EventStore, MAX_PAGE_BYTES, ReadError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Pages that may wait, besides the one that is taken and the one that is read.
const AHEAD: usize = 1;

/// Events of the first page, whose size nobody knows.
const FIRST: usize = 64;

/// Consecutive events, and the hashes of their leaves.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) events: Vec<Recorded>,
    pub(super) leaves: Vec<Hash>,
}

/// A log from one position to another, page by page.
#[derive(Debug)]
pub(super) struct Pages {
    pages: mpsc::Receiver<Result<Page, ReadError>>,
    reader: JoinHandle<()>,
}

impl Pages {
    /// Reads the events of the log `log` after position `after` and up to `upto`.
    pub(super) fn read(
        store: &Arc<dyn EventStore>,
        log: Uuid,
        mut after: u64,
        upto: u64,
        limit: usize,
    ) -> Self {
        let (send, pages) = mpsc::channel(AHEAD);
        let store = store.clone();
        let reader = tokio::spawn(async move {
            let mut fitting = FIRST;
            while after < upto {
                let left = usize::try_from(upto - after).unwrap_or(usize::MAX).min(limit.max(1));
                let page = page(&*store, log, after, left.min(fitting)).await;
                if let Ok(page) = &page {
                    after += page.events.len() as u64;
                    fitting = fitting_in_a_page(&page.events);
                }
                let over = page.is_err();
                // nobody takes pages any more, or there are no more
                if send.send(page).await.is_err() || over {
                    return;
                }
            }
        });
        Self { pages, reader }
    }

    /// The next page; `None` after the last one. Fails when the log cannot be read, has a hole, or ends too early.
    pub(super) async fn next(&mut self) -> Result<Option<Page>, ReadError> {
        match self.pages.recv().await {
            Some(page) => page.map(Some),
            None => Ok(None),
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// How many events like these fill a page. A store that is asked for more than a page takes reads ahead in vain.
fn fitting_in_a_page(events: &[Recorded]) -> usize {
    let bytes: usize = events.iter().map(|event| event.payload.len() + event.metadata.len()).sum();
    MAX_PAGE_BYTES * events.len() / bytes.max(1) + 1
}

async fn page(store: &dyn EventStore, log: Uuid, after: u64, limit: usize) -> Result<Page, ReadError> {
    let events = store.read_all(Position(after), limit).await?;
    if events.is_empty() {
        return Err(ReadError::Rewound { after: Position(after + 1), head: store.head().await? });
    }
    let mut leaves = Vec::with_capacity(events.len());
    let mut entry = Vec::with_capacity(320);
    for (event, due) in events.iter().zip(after + 1..) {
        if event.position.0 != due {
            let detail = format!("the next event there is {}", event.position);
            return Err(ReadError::Damaged { position: Position(due), detail });
        }
        entry.clear();
        Entry::of(log, event).write(&mut entry);
        leaves.push(leaf_hash(&entry));
    }
    Ok(Page { events, leaves })
}
