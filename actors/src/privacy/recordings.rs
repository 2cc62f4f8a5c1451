//! Recordings are with the carrier: an erasure has them deleted there.

use std::time::Duration;

use domain::envelope::Time;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use domain::ports::telephony::CarrierError;

use super::PrivacyBench;

/// How long an erasure waits for a carrier that cannot be reached.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// What became of the recordings of an erased person's calls.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Recordings {
    /// The carrier has them no more.
    pub deleted: u64,
    /// The carrier refused, or was away for a day.
    pub left: u64,
}

impl Recordings {
    /// Has each deleted. While the carrier is away the job waits, for up to a day after it was asked for.
    pub(super) async fn delete(
        bench: &PrivacyBench,
        client: ClientId,
        ids: &[String],
        asked_at: Time,
    ) -> Result<Self, StoreUnavailable> {
        let mut recordings = Self::default();
        for id in ids {
            match bench.telephony.delete_recording(client, id).await {
                Ok(()) => recordings.deleted += 1,
                Err(error) if is_passing(&error) && bench.runtime.clock.now() < asked_at + PATIENCE => {
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
        CarrierError::Unavailable { .. } | CarrierError::Unknown { .. } | CarrierError::NotReady { .. }
    )
}
