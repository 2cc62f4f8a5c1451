//! The price book, read once and kept up to date.

use std::sync::Arc;

use domain::billing::price_book::{PriceBook, PriceBookRefusal};
use domain::envelope::Version;
use domain::ids::PriceBookId;
use tokio::sync::Mutex;

use crate::runtime::Runtime;
use crate::session::{CommandError, Session};

/// The prices of the node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PriceBooks {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug)]
struct Kept {
    session: Session<PriceBook>,
    book: Arc<PriceBook>,
    version: Version,
}

impl PriceBooks {
    #[must_use]
    pub fn new(runtime: Runtime) -> Self {
        let session = Session::new(runtime, PriceBookId::OF_NODE.stream());
        let kept = Kept { session, book: Arc::default(), version: Version::NONE };
        Self { kept: Arc::new(Mutex::new(kept)) }
    }

    /// The book as it is now: what any node wrote is read first. Fails when the log cannot be read.
    pub async fn newest(&self) -> Result<Arc<PriceBook>, CommandError<PriceBookRefusal>> {
        let mut kept = self.kept.lock().await;
        kept.session.refresh().await?;
        if kept.version != kept.session.version() {
            kept.version = kept.session.version();
            kept.book = Arc::new(kept.session.state().clone());
        }
        Ok(kept.book.clone())
    }
}
