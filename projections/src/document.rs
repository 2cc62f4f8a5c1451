//! Rows that are nothing but a resource: what most views hold.

use std::fmt;

use domain::envelope::{Position, Time, Version};
use domain::ids::ClientId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::view::{Row, Shown};

/// A resource that is a row.
pub trait Resource: Clone + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The table of its rows.
    const TABLE: &'static str;

    /// The id in the name of its stream.
    fn id(&self) -> Uuid;

    /// When it was made.
    fn created_at(&self) -> Time;

    /// The version of its stream.
    fn version(&self) -> Version;
}

/// The row of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Document<R> {
    /// Whose it is.
    pub client: ClientId,
    /// The last event that touched it.
    pub position: Position,
    /// Given up: kept for the sake of what refers to it, without what is personal, and shown to nobody.
    pub removed: bool,
    /// What is shown.
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
