//! The log in PostgreSQL: not written yet, opening it says so.
use super::OpenError;
use crate::database::SecretUrl;
use async_trait::async_trait;
use domain::envelope::*;
use domain::ports::event_store::*;
/// Not written yet.
#[derive(Debug)]
pub struct PostgresEventStore;
impl PostgresEventStore {
    /// Not written yet.
    pub async fn open(_: &SecretUrl) -> Result<Self, OpenError> {
        Err(OpenError::Target("later".into()))
    }
    /// Not written yet.
    pub async fn open_read_only(_: &SecretUrl) -> Result<Self, OpenError> {
        Err(OpenError::Target("later".into()))
    }
    /// Not written yet.
    pub async fn close(&self) {}
}
#[async_trait]
impl EventStore for PostgresEventStore {
    async fn append(&self, _: &StreamId, _: Expected, _: Vec<NewEvent>) -> Result<Appended, AppendError> {
        Err(AppendError::Refused(""))
    }
    async fn read_stream(
        &self,
        _: &StreamId,
        _: Version,
        _: Direction,
        _: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        Ok(vec![])
    }
    async fn read_all(&self, _: Position, _: usize) -> Result<Vec<Recorded>, ReadError> {
        Ok(vec![])
    }
    async fn head(&self) -> Result<Position, ReadError> {
        Ok(Position(0))
    }
    async fn wait_past(&self, _: Position) {}
    fn engine(&self) -> &'static str {
        "postgres"
    }
}
