//! The price book, read once and kept up to date.

use std::sync::Arc;

use domain::billing::price_book::{PriceBook, PriceBookRefusal};
use domain::envelope::{Time, Version};
use domain::ids::PriceBookId;
use tokio::sync::Mutex;

use crate::runtime::Runtime;
use crate::session::{CommandError, Session};

/// The prices of the node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PriceBooks {
    runtime: Runtime,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    session: Session<PriceBook>,
    book: Arc<PriceBook>,
    version: Version,
    /// Lists set before this moment are in the book; `None`: it was never read.
    read_at: Option<Time>,
}

impl PriceBooks {
    #[must_use]
    pub fn new(runtime: Runtime) -> Self {
        let session = Session::new(runtime.clone(), PriceBookId::OF_NODE.stream());
        let kept = Kept { session, book: Arc::default(), version: Version::NONE, read_at: None };
        Self { runtime, kept: Arc::new(Mutex::new(kept)) }
    }

    /// The book as it is now: what any node wrote is read first. Fails when the log cannot be read.
    pub async fn newest(&self) -> Result<Arc<PriceBook>, CommandError<PriceBookRefusal>> {
        let now = self.runtime.clock.now();
        self.as_of(now).await
    }

    /// A book that has every list that was set before `moment`, which those who ask at once read once. Fails when the
    /// log cannot be read.
    pub async fn as_of(&self, moment: Time) -> Result<Arc<PriceBook>, CommandError<PriceBookRefusal>> {
        let mut kept = self.kept.lock().await;
        if kept.read_at.is_some_and(|read_at| read_at > moment) {
            return Ok(kept.book.clone());
        }
        let read_at = self.runtime.clock.now();
        kept.session.refresh().await?;
        kept.read_at = Some(read_at);
        if kept.version != kept.session.version() {
            kept.version = kept.session.version();
            kept.book = Arc::new(kept.session.state().clone());
        }
        Ok(kept.book.clone())
    }
}
