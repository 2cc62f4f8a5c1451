//! Live IVR sessions: commands to sessions and queries of their state.

use std::sync::Arc;

use domain::envelope::Version;
use domain::ids::{ClientId, IvrSessionId, MenuId};
use domain::ivr::book::Book;
use domain::ivr::session::{IvrSession, SessionCommand, SessionRefusal};
use tokio_util::sync::CancellationToken;

use super::library::MenuLibrary;
use crate::context::CommandContext;
use crate::entity::{Actors, LiveOptions, Observer};
use crate::runtime::Runtime;
use crate::session::{CommandError, Receipt};

type SessionError = CommandError<SessionRefusal>;

/// Attempts to carry out a command, each with the menus looked up again, when the session changes meanwhile.
const MAX_LOOKS: u32 = 4;

/// Sends commands to IVR sessions. The registry activates a session's actor on demand.
#[derive(Debug, Clone)]
pub struct IvrSessions {
    actors: Actors<IvrSession>,
    library: Arc<MenuLibrary>,
}

impl IvrSessions {
    /// Starts the registry and a task that passivates idle actors until `stop`. Must be called inside an actix system.
    #[must_use]
    pub fn start(
        runtime: Runtime,
        options: LiveOptions,
        library: Arc<MenuLibrary>,
        observer: Option<Observer<IvrSession>>,
        stop: CancellationToken,
    ) -> Self {
        Self { actors: Actors::start(runtime, options, observer, stop), library }
    }

    #[must_use]
    pub fn library(&self) -> &Arc<MenuLibrary> {
        &self.library
    }

    /// Number of session actors that are active on this node.
    #[must_use]
    pub fn live(&self) -> usize {
        self.actors.live()
    }

    /// Carries a command out. `make` gets the menus that the session may reach: those it is in, those in `also`,
    /// and all they lead to.
    pub async fn execute(
        &self,
        id: IvrSessionId,
        also: &[MenuId],
        context: CommandContext,
        only_at: Option<Version>,
        make: impl Fn(Arc<Book>) -> SessionCommand + Send + Sync,
    ) -> Result<Receipt, SessionError> {
        for look in 0..MAX_LOOKS {
            let book = self.book(id, context.client, also, look > 0).await?;
            let done = self.actors.execute(id.0, make(Arc::new(book)), context.clone(), only_at).await;
            match done {
                Err(CommandError::Refused(SessionRefusal::OtherVersion)) => {}
                done => return done,
            }
        }
        Err(CommandError::Contended)
    }

    async fn book(
        &self,
        id: IvrSessionId,
        client: ClientId,
        also: &[MenuId],
        newest: bool,
    ) -> Result<Book, SessionError> {
        let menus = |session: &IvrSession, _| (session.pins().clone(), session.entries().collect::<Vec<_>>());
        let (pins, mut entries) = self.actors.ask(id.0, newest, menus).await?;
        entries.extend(also);
        Ok(self.library.book(client, entries, &pins).await?)
    }

    /// The session's state as this node knows it, and its client. With `newest`, events that other nodes
    /// wrote are read first.
    pub async fn inspect(
        &self,
        id: IvrSessionId,
        newest: bool,
    ) -> Result<(IvrSession, Option<ClientId>), SessionError> {
        self.actors.ask(id.0, newest, |session, client| (session.clone(), client)).await
    }
}
