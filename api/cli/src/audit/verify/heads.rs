//! The stored heads to verify the log against, in the order of their size.

use adapters::seals::SealsDb;
use domain::merkle::{Hash, NoteVerifier, SignedCheckpoint};
use domain::ports::seals::{Head, SealStore as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Heads checked in one page.
const PAGE: usize = 512;

/// A head, with the fault of its own signature, if any.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) size: u64,
    pub(super) root: Hash,
    pub(super) fault: Option<String>,
}

type Page = JoinHandle<Vec<Checked>>;

/// Reads stored heads ahead, and verifies their signatures in parallel with the scan.
#[derive(Debug)]
pub(super) struct Heads {
    pages: mpsc::Receiver<anyhow::Result<Page>>,
    ready: std::vec::IntoIter<Checked>,
    next: Option<Checked>,
}

impl Heads {
    pub(super) fn read(seals: SealsDb, key: NoteVerifier) -> Self {
        let (send, pages) = mpsc::channel(4);
        tokio::spawn(async move {
            let mut from = None;
            loop {
                let page = match seals.heads(from, false, PAGE).await {
                    Ok(page) if page.is_empty() => return,
                    Ok(page) => page,
                    Err(error) => {
                        // the receiver is gone, so nobody needs the error either
                        let _ = send.send(Err(error.into())).await;
                        return;
                    }
                };
                from = page.last().map(|head| head.size);
                let key = key.clone();
                let checked = tokio::task::spawn_blocking(move || {
                    page.into_iter().map(|head| check(head, &key)).collect()
                });
                if send.send(Ok(checked)).await.is_err() {
                    return;
                }
            }
        });
        Self { pages, ready: Vec::new().into_iter(), next: None }
    }

    /// The next head of at most `size` events.
    pub(super) async fn upto(&mut self, size: u64) -> anyhow::Result<Option<Checked>> {
        if self.next.is_none() {
            self.next = self.take().await?;
        }
        Ok(self.next.take_if(|head| head.size <= size))
    }

    async fn take(&mut self) -> anyhow::Result<Option<Checked>> {
        loop {
            if let Some(head) = self.ready.next() {
                return Ok(Some(head));
            }
            match self.pages.recv().await {
                None => return Ok(None),
                Some(page) => self.ready = page?.await?.into_iter(),
            }
        }
    }
}

fn check(head: Head, key: &NoteVerifier) -> Checked {
    let verified = head.note.parse::<SignedCheckpoint>().and_then(|note| {
        key.verify(&note)?;
        Ok((note.checkpoint.size, note.checkpoint.root))
    });
    let fault = match verified {
        Ok(signed) if signed == (head.size, head.root) => None,
        Ok(_) => Some("what is signed is another head than the stored one".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    Checked { size: head.size, root: head.root, fault }
}
