//! A fault-injecting backend for tests.

use async_trait::async_trait;
use conformance::event_store::{Fate, Faults};
use domain::envelope::{Position, StreamId};
use uuid::Uuid;

use super::backend::{Backend, Fault, Row};
use super::resolve::StoreState;

#[derive(Debug)]
pub(super) struct FaultInjectingStore<B> {
    inner: B,
    faults: Faults,
}

impl<B> FaultInjectingStore<B> {
    pub(super) fn new(inner: B, faults: Faults) -> Self {
        Self { inner, faults }
    }
}

#[async_trait]
impl<B: Backend> Backend for FaultInjectingStore<B> {
    const ENGINE: &'static str = B::ENGINE;

    async fn look_up(&mut self, streams: &[StreamId], ids: &[Uuid]) -> Result<StoreState, Fault> {
        if self.faults.is_blind() {
            return Err(Fault::NotWritten("a test hides the store".to_owned()));
        }
        self.inner.look_up(streams, ids).await
    }

    async fn commit(&mut self, rows: &[Row<'_>]) -> Result<Position, Fault> {
        self.faults.pass_gate().await;
        if self.faults.refuses_commit() {
            return Err(Fault::NotWritten("a test refuses the commit".to_owned()));
        }
        match self.faults.takes_answer() {
            None => self.inner.commit(rows).await,
            Some(Fate::NotWritten) => Err(Fault::Unknown("a test lost the commit".to_owned())),
            Some(Fate::Written) => {
                self.inner.commit(rows).await?;
                Err(Fault::Unknown("a test lost the answer".to_owned()))
            }
        }
    }

    async fn close(self) {
        self.inner.close().await;
    }
}
