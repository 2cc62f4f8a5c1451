//! The carrier keeps recordings: an erasure has them deleted there.

use std::time::Duration;

use domain::envelope::Time;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use domain::ports::telephony::CarrierError;

use super::PrivacyDeps;

/// How long an erasure waits for a carrier that cannot be reached.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Result of deleting the recordings of an erased person's calls.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Recordings {
    /// Recordings that the carrier does not have any more.
    pub deleted: u64,
    /// Recordings that could not be deleted: the carrier refused, or could not be reached for a day.
    pub left: u64,
}

impl Recordings {
    /// Deletes each recording. While the carrier cannot be reached this fails, and the job is tried again, for up
    /// to a day after `asked_at`.
    pub(super) async fn delete(
        deps: &PrivacyDeps,
        client: ClientId,
        ids: &[String],
        asked_at: Time,
    ) -> Result<Self, StoreUnavailable> {
        let mut recordings = Self::default();
        for id in ids {
            match deps.telephony.delete_recording(client, id).await {
                Ok(()) => recordings.deleted += 1,
                Err(error) if is_passing(&error) && deps.runtime.clock.now() < asked_at + PATIENCE => {
                    return Err(StoreUnavailable(format!("recordings are not deleted yet: {error}")));
                }
                Err(error) => {
                    tracing::warn!(%error, "a recording of somebody who was erased stays with the carrier");
                    recordings.left += 1;
                }
            }
        }
        Ok(recordings)
    }
}

fn is_passing(error: &CarrierError) -> bool {
    matches!(
        error,
        CarrierError::Unavailable { .. }
            | CarrierError::Unknown { .. }
            | CarrierError::NotReady { .. }
            | CarrierError::Held { .. }
    )
}
