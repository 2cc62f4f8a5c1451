//! Files of calls in the object store: an erasure removes them, and the calls say so.

use domain::call::terms::RemovedBecause;
use domain::call::{Call, CallCommand, RecordingRemoved};
use domain::ids::CallId;
use domain::ports::StoreUnavailable;

use super::PrivacyDeps;
use crate::context::CommandContext;
use crate::session::{CommandError, Session};

/// Removes each file, then records it. While the object store cannot be reached this fails, and the job is tried again:
/// what is encrypted is unreadable already, because its key was sealed for the person.
pub(super) async fn remove(
    deps: &PrivacyDeps,
    context: &CommandContext,
    files: &[(CallId, String)],
) -> Result<(), StoreUnavailable> {
    for (call, object) in files {
        let Ok(key) = object.parse() else { continue };
        let removed = deps.objects.delete(&key).await;
        removed.map_err(|error| StoreUnavailable(format!("files are not removed yet: {error}")))?;
        let (because, at) = (RemovedBecause::Erased, deps.runtime.clock.now());
        let removed = RecordingRemoved { object: object.clone(), because, at };
        let mut session = Session::<Call>::new(deps.runtime.clone(), call.stream());
        match session.execute(&CallCommand::RemoveRecording(removed), context, None).await {
            Ok(_) | Err(CommandError::Refused(_) | CommandError::OtherClient) => {}
            Err(error) => return Err(StoreUnavailable(error.to_string())),
        }
    }
    Ok(())
}
