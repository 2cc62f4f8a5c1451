//! Menu requests, and the checks of a menu that need more than its own fields.

use std::collections::{BTreeMap, BTreeSet};

use actors::conversation::ConversationError;
use adapters::webhooks::UrlFault;
use domain::ids::{ClientId, MenuId};
use domain::ivr::action::Action;
use domain::ivr::book::{Book, Page};
use domain::ivr::menu::{
    DEFAULT_INTER_DIGIT_MS, DEFAULT_INVALID_PROMPT, DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS,
    DEFAULT_TIMEOUT_PROMPT, MenuPatch, MenuTerms, faults,
};
use domain::ivr::session::MAX_STACK;
use futures::StreamExt as _;
use projections::ivr_menus::{ActionShape, GlobalsShape, HoursShape, ItemShape, Reading};
use serde::Deserialize;
use utoipa::ToSchema;

use super::resource::field_error;
use crate::EdgeId;
use crate::backend::Backend;
use crate::nullable::nullable;
use crate::problem::{ApiError, FieldError};

/// An IVR menu to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewIvrMenu)]
pub(crate) struct NewMenu {
    /// Display name of the menu: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Text that callers hear on entering: 1 to 1500 characters.
    #[schema(min_length = 1, max_length = 1500)]
    prompt: String,
    /// Text that callers hear when the menu is played again.
    short_prompt: Option<String>,
    /// Options of the menu: at most 50 keys.
    #[serde(default)]
    #[schema(max_items = 50)]
    items: Vec<ItemShape>,
    /// How long to wait for the first key, in milliseconds: 500 to 60000, 5000 by default.
    #[schema(minimum = 500, maximum = 60_000)]
    timeout_ms: Option<u64>,
    /// How long to wait for the next key, in milliseconds: 200 to 20000, 2000 by default.
    #[schema(minimum = 200, maximum = 20_000)]
    inter_digit_timeout_ms: Option<u64>,
    /// Number of wrong entries, or of silences, that exhausts a visit: 1 to 10, 3 by default.
    #[schema(minimum = 1, maximum = 10)]
    max_retries: Option<u32>,
    /// Text that callers hear after a wrong entry.
    invalid_prompt: Option<String>,
    /// Text that callers hear after a silence.
    timeout_prompt: Option<String>,
    /// Id of the menu above this one.
    #[schema(value_type = Option<String>)]
    parent_menu_id: Option<EdgeId<MenuId>>,
    /// Action once a visit is exhausted; `hangup` by default.
    on_exhausted: Option<ActionShape>,
    /// Keys that repeat the menu, go back, go to the first menu, or go to the default agent.
    #[serde(default)]
    globals: Option<GlobalsShape>,
    /// Opening hours of the menu; always open by default.
    hours: Option<HoursShape>,
}

impl NewMenu {
    pub(super) fn read(self, reading: &mut Reading) -> MenuTerms {
        MenuTerms {
            items: reading.items(&self.items),
            on_exhausted: self
                .on_exhausted
                .map_or(Action::Hangup, |shape| reading.action(&shape, "on_exhausted")),
            hours: self.hours.map(|shape| reading.hours(&shape)),
            name: self.name,
            prompt: self.prompt,
            short_prompt: self.short_prompt,
            timeout_ms: self.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS),
            inter_digit_timeout_ms: self.inter_digit_timeout_ms.unwrap_or(DEFAULT_INTER_DIGIT_MS),
            max_retries: self.max_retries.unwrap_or(DEFAULT_RETRIES),
            invalid_prompt: self.invalid_prompt.unwrap_or_else(|| DEFAULT_INVALID_PROMPT.to_owned()),
            timeout_prompt: self.timeout_prompt.unwrap_or_else(|| DEFAULT_TIMEOUT_PROMPT.to_owned()),
            parent_menu_id: self.parent_menu_id.map(|id| id.0),
            globals: self.globals.unwrap_or_default().into(),
        }
    }
}

/// Changes to a menu; a field that is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IvrMenuPatch)]
pub(crate) struct MenuPatchBody {
    /// Display name of the menu: 1 to 100 characters.
    #[schema(nullable = false, min_length = 1, max_length = 100)]
    name: Option<String>,
    /// Text that callers hear on entering: 1 to 1500 characters.
    #[schema(nullable = false, min_length = 1, max_length = 1500)]
    prompt: Option<String>,
    /// Text that callers hear when the menu is played again; `null` removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    short_prompt: Option<Option<String>>,
    /// Options of the menu, at most 50 keys; this list replaces the old one.
    #[schema(nullable = false, max_items = 50)]
    items: Option<Vec<ItemShape>>,
    /// How long to wait for the first key, in milliseconds: 500 to 60000.
    #[schema(nullable = false, minimum = 500, maximum = 60_000)]
    timeout_ms: Option<u64>,
    /// How long to wait for the next key, in milliseconds: 200 to 20000.
    #[schema(nullable = false, minimum = 200, maximum = 20_000)]
    inter_digit_timeout_ms: Option<u64>,
    /// Number of wrong entries, or of silences, that exhausts a visit: 1 to 10.
    #[schema(nullable = false, minimum = 1, maximum = 10)]
    max_retries: Option<u32>,
    /// Text that callers hear after a wrong entry.
    #[schema(nullable = false)]
    invalid_prompt: Option<String>,
    /// Text that callers hear after a silence.
    #[schema(nullable = false)]
    timeout_prompt: Option<String>,
    /// Id of the menu above this one; `null` removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    parent_menu_id: Option<Option<EdgeId<MenuId>>>,
    /// Action once a visit is exhausted.
    #[schema(nullable = false)]
    on_exhausted: Option<ActionShape>,
    /// Keys that repeat the menu, go back, go to the first menu, or go to the default agent; these
    /// replace the old ones.
    #[schema(nullable = false)]
    globals: Option<GlobalsShape>,
    /// Opening hours of the menu; `null`: always open.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<HoursShape>)]
    hours: Option<Option<HoursShape>>,
}

impl MenuPatchBody {
    pub(super) fn read(self, reading: &mut Reading) -> MenuPatch {
        MenuPatch {
            name: self.name,
            prompt: self.prompt,
            short_prompt: self.short_prompt,
            items: self.items.map(|shapes| reading.items(&shapes)),
            timeout_ms: self.timeout_ms,
            inter_digit_timeout_ms: self.inter_digit_timeout_ms,
            max_retries: self.max_retries,
            invalid_prompt: self.invalid_prompt,
            timeout_prompt: self.timeout_prompt,
            parent_menu_id: self.parent_menu_id.map(|parent| parent.map(|id| id.0)),
            on_exhausted: self.on_exhausted.map(|shape| reading.action(&shape, "on_exhausted")),
            globals: self.globals.map(Into::into),
            hours: self.hours.map(|hours| hours.map(|shape| reading.hours(&shape))),
        }
    }
}

/// How many host names are looked up at once.
const LOOK_UPS: usize = 8;

/// Most webhooks of one menu: four to each of its keys, to its exhaustion and to its closing.
const MOST_WEBHOOKS: usize = 4 * 52;

/// Refuses webhook URLs that may not be reached, as for endpoints and tools; the domain checks their form. URLs
/// that the menu had before pass: they were checked then, and are checked again before every request.
pub(super) async fn reachable(
    backend: &Backend,
    terms: &MenuTerms,
    before: Option<&MenuTerms>,
) -> Result<(), ApiError> {
    let mut known: BTreeSet<String> =
        before.into_iter().flat_map(MenuTerms::webhooks).map(|(_, url)| url).collect();
    let new: Vec<_> =
        terms.webhooks().take(MOST_WEBHOOKS).filter(|(_, url)| known.insert(url.clone())).collect();
    let checks = new.into_iter().map(|(field, url)| async move {
        backend.webhooks.guard.reachable(&url).await.err().map(|fault| {
            let code = if matches!(fault, UrlFault::Private(_)) { "private_address" } else { "invalid" };
            FieldError { field, code: code.to_owned(), detail: fault.to_string() }
        })
    });
    let faults: Vec<FieldError> =
        futures::stream::iter(checks).buffered(LOOK_UPS).filter_map(std::future::ready).collect().await;
    if faults.is_empty() { Ok(()) } else { Err(ApiError::invalid_fields(faults)) }
}

/// Checks a menu. Answers 422 with one error for each field at fault.
pub(super) async fn check(
    backend: &Backend,
    client: ClientId,
    id: MenuId,
    terms: &MenuTerms,
    reading: Reading,
) -> Result<(), ApiError> {
    let mut found: BTreeMap<String, FieldError> = BTreeMap::new();
    for fault in reading.0.iter().chain(&faults(terms, backend.menus.zones())) {
        found.entry(fault.field.clone()).or_insert_with(|| field_error(fault));
    }
    let all = backend.menus.all(client);
    let exists = |menu: MenuId| menu == id || all.page(menu).is_some();
    // another client's menu counts as unknown
    let parent = terms.parent_menu_id.map(|parent| ("parent_menu_id".to_owned(), parent));
    for (field, menu) in terms.targets().chain(parent) {
        if !exists(menu) {
            found.entry(field.clone()).or_insert_with(|| unknown(field, "menu"));
        }
    }
    for (field, agent) in terms.agents() {
        match backend.conversations.agent(client, agent).await {
            Ok(_) => {}
            Err(ConversationError::UnknownAgent) => {
                found.entry(field.clone()).or_insert_with(|| unknown(field, "agent"));
            }
            Err(error) => return Err(ApiError::unavailable(error)),
        }
    }
    if found.is_empty() && too_deep(&all, id, terms) {
        let detail = format!("callers could get more than {MAX_STACK} menus deep");
        found.insert(
            "items".to_owned(),
            FieldError { field: "items".to_owned(), code: "too_deep".to_owned(), detail },
        );
    }
    match found.is_empty() {
        true => Ok(()),
        false => Err(ApiError::invalid_fields(found.into_values().collect())),
    }
}

fn unknown(field: String, what: &str) -> FieldError {
    FieldError { field, code: "unknown".to_owned(), detail: format!("there is no such {what}") }
}

/// Whether some menu that leads to this one, directly or not, would be too deep with these terms.
fn too_deep(all: &Book, id: MenuId, terms: &MenuTerms) -> bool {
    let version = domain::envelope::Version::NONE;
    let page = Page { id, version, terms: std::sync::Arc::new(terms.clone()) };
    let others = all.pages().filter(|page| page.id != id).cloned();
    let book = Book::of(all.zones().clone(), others.chain([page]));
    book.pages().any(|root| {
        let below = book.below(root.id);
        below.page(id).is_some() && below.depth(root.id) > MAX_STACK
    })
}
