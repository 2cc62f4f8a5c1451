//! The object store, and the URLs of what is in it.

use std::sync::Arc;
use std::time::Duration;

use actors::uploads::Uploads;
use domain::envelope::Time;
use domain::ids::{CallId, ClientId};
use domain::object_url::{Grant, TokenSigner};
use domain::ports::objects::{ObjectKey, ObjectStore};
use projections::calls::CallFile;

use crate::problem::ApiError;

/// How the handlers reach objects.
#[derive(Debug, Clone)]
pub struct ObjectAccess {
    pub store: Arc<dyn ObjectStore>,
    /// Signs the node's own URLs, for a store that signs none.
    pub signer: TokenSigner,
    pub uploads: Uploads,
}

impl ObjectAccess {
    /// A URL of a stored file of a call, and when it expires: the store's own, or one of this node at `public_url`.
    /// `None` when the file is not stored. Answers 503 when the store cannot sign.
    pub async fn url_of(
        &self,
        public_url: &str,
        (client, call): (ClientId, CallId),
        file: &CallFile,
        (now, expires_in): (Time, Duration),
    ) -> Result<Option<(String, Time)>, ApiError> {
        let Some(object) = &file.object else { return Ok(None) };
        let key: ObjectKey = object.parse().map_err(ApiError::internal)?;
        let expires_at = now + expires_in;
        let url = match self.store.download_url(&key, expires_in).await.map_err(ApiError::unavailable)? {
            Some(url) => url.0,
            None => {
                let content_type = file.content_type.clone().unwrap_or_default();
                let grant = Grant::Download { client, call, object: object.clone(), content_type };
                format!("{public_url}/api/v1/objects/{}", self.signer.sign(grant, expires_at))
            }
        };
        Ok(Some((url, expires_at)))
    }
}
