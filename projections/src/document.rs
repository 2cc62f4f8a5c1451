//! Rows that hold just a resource of the API, as most views do.

use std::fmt;

use domain::envelope::{Position, Time, Version};
use domain::ids::ClientId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::view::{Row, Shown};

/// A resource of the API that is stored as a row.
pub trait Resource: Clone + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Name of the table of its rows.
    const TABLE: &'static str;

    /// The id in the name of its stream.
    fn id(&self) -> Uuid;

    fn created_at(&self) -> Time;

    /// Version of the resource's stream.
    fn version(&self) -> Version;
}

/// The row of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Document<R> {
    pub client: ClientId,
    /// Position of the last event in the row.
    pub position: Position,
    /// Whether the resource was deleted. Its row stays, without personal data, because other rows refer to it;
    /// no query shows it.
    pub removed: bool,
    pub view: R,
}

impl<R: Resource> Row for Document<R> {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id()
    }
}

impl<R: Resource> Shown for Document<R> {
    type Resource = R;

    fn resource(&self) -> &R {
        &self.view
    }

    fn version(&self) -> Version {
        self.view.version()
    }
}
