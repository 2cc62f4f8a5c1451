//! No node deletes a menu while a number or another menu leads to it: see [`domain::ivr::reference`].

use std::collections::BTreeSet;

use actors::Session;
use domain::envelope::{StreamId, Version};
use domain::ids::{ClientId, MenuId, NumberId};
use domain::ivr::menu::MenuTerms;
use domain::ivr::reference::{
    ABANDONED, MenuIsClosing, MenuReferenceCommand, MenuReferenceEvent, MenuReferences, references_of,
};
use domain::ports::event_store::Direction;
use domain::wire::DomainEvent as _;

use super::super::super::commands::{AsProblem, context, problem};
use crate::RequestContext;
use crate::auth::Principal;
use crate::backend::Backend;
use crate::problem::{ApiError, Code};

const PAGE: usize = 100;
/// Type of the event that deletes a menu.
const GIVEN_UP: &str = "ivr_menu.deleted";

impl AsProblem for MenuIsClosing {
    const KIND: &'static str = "menu";

    fn as_problem(&self) -> ApiError {
        ApiError::conflict(self.to_string())
    }
}

pub(super) fn led_to(terms: &MenuTerms) -> BTreeSet<MenuId> {
    terms.targets().map(|(_, menu)| menu).chain(terms.parent_menu_id).collect()
}

/// Records that the next event of `stream`, which is at `version`, leads to these menus. The caller must
/// append that event with `version` as the expected version. Answers 409 when one of the menus is being
/// deleted, or is deleted.
pub(in super::super::super) async fn note(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    menus: impl IntoIterator<Item = MenuId>,
    (stream, version): (&StreamId, Version),
) -> Result<(), ApiError> {
    for menu in menus {
        let mut session = references(backend, menu).await?;
        let now = backend.runtime.clock.now();
        let note = MenuReferenceCommand::Note { stream: stream.clone(), version, now };
        session.execute(&note, &context(caller, request, menu.0), None).await.map_err(problem)?;
        let last =
            backend.runtime.store.read_stream(&menu.stream(), Version::NONE, Direction::Backwards, 1).await;
        let last = last.map_err(ApiError::unavailable)?;
        if last.first().is_none_or(|last| last.event_type == GIVEN_UP || last.client_id != caller.client) {
            return Err(ApiError::conflict("the menu was given up a moment ago: choose another one"));
        }
    }
    Ok(())
}

/// Closes a menu to new references, before it is deleted. Answers 409 when something leads to it.
pub(super) async fn close(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    menu: MenuId,
) -> Result<(), ApiError> {
    nothing_leads_to(backend, caller.client, menu)?;
    let close = MenuReferenceCommand::Close { now: backend.runtime.clock.now() };
    let mut session = references(backend, menu).await?;
    session.execute(&close, &context(caller, request, menu.0), None).await.map_err(problem)?;
    let unused = async {
        nothing_is_about_to_lead_to(backend, menu).await?;
        let head = backend.runtime.store.head().await.map_err(ApiError::unavailable)?;
        if !backend.knows(head).await {
            return Err(ApiError::overloaded(backend.read_your_writes));
        }
        nothing_leads_to(backend, caller.client, menu)
    };
    match unused.await {
        Ok(()) => Ok(()),
        Err(error) => {
            reopen(backend, caller, request, menu).await;
            Err(error)
        }
    }
}

/// Opens a menu to references again, because it is not deleted after all.
pub(super) async fn reopen(backend: &Backend, caller: &Principal, request: &RequestContext, menu: MenuId) {
    let reopen = MenuReferenceCommand::Reopen { now: backend.runtime.clock.now() };
    let reopened = async {
        let mut session = references(backend, menu).await?;
        session.execute(&reopen, &context(caller, request, menu.0), None).await.map_err(problem)
    };
    if let Err(error) = reopened.await {
        tracing::warn!(%error, "nothing can be led to a menu for a minute: its closing is not taken back");
    }
}

async fn references(backend: &Backend, menu: MenuId) -> Result<Session<MenuReferences>, ApiError> {
    Session::at_last_event(backend.runtime.clone(), references_of(menu)).await.map_err(problem)
}

fn nothing_leads_to(backend: &Backend, client: ClientId, menu: MenuId) -> Result<(), ApiError> {
    let menus = backend.menus.all(client);
    if let Some(other) = menus.pages().find(|page| page.id != menu && led_to(&page.terms).contains(&menu)) {
        return Err(ApiError::new(Code::MenuInUse, format!("the menu {} refers to it", other.id)));
    }
    match backend.number_leading_to(client, menu) {
        Some(number) => Err(ApiError::new(Code::MenuInUse, format!("the number {number} leads to it"))),
        None => Ok(()),
    }
}

/// Checks that no reference noted within [`ABANDONED`] still waits for its event. Answers 409 otherwise.
async fn nothing_is_about_to_lead_to(backend: &Backend, menu: MenuId) -> Result<(), ApiError> {
    let (store, stream) = (&backend.runtime.store, references_of(menu));
    let since = backend.runtime.clock.now() - ABANDONED;
    let mut before = Version::NONE;
    loop {
        let page = store.read_stream(&stream, before, Direction::Backwards, PAGE).await;
        let page = page.map_err(ApiError::unavailable)?;
        let Some(oldest) = page.last() else { return Ok(()) };
        before = oldest.version;
        for event in &page {
            let fact = MenuReferenceEvent::decode(&event.event_type, event.schema, &event.payload);
            let MenuReferenceEvent::Noted(noted) = fact.map_err(ApiError::internal)? else { continue };
            if noted.at < since {
                return Ok(());
            }
            let from = match noted.category.as_str() {
                NumberId::CATEGORY => NumberId(noted.id).stream(),
                _ => MenuId(noted.id).stream(),
            };
            let last = store.read_stream(&from, Version::NONE, Direction::Backwards, 1).await;
            let last = last.map_err(ApiError::unavailable)?;
            if last.first().map_or(Version::NONE, |last| last.version) <= noted.version {
                return Err(ApiError::new(Code::MenuInUse, "something is about to lead to it"));
            }
        }
        if before == Version(1) {
            return Ok(());
        }
    }
}
