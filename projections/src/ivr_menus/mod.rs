//! The view of IVR menus.

mod shape;

use domain::aggregate::Aggregate;
use domain::envelope::{Recorded, Time, Version};
use domain::ids::MenuId;
use domain::ivr::menu::{Menu, MenuEvent, MenuTerms};
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub use self::shape::{
    ActionShape, GlobalsShape, HoursShape, ItemShape, OverrideShape, Reading, WeekShape, WindowShape,
};
use crate::document::{Document, Resource};
use crate::numbers::knows;
use crate::view::{At, View};

/// An IVR menu. Every field is always present; what is not set is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = IvrMenu)]
pub struct MenuView {
    /// Id of the menu: TypeID `ivrm_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub id: MenuId,
    /// Name of the menu, for people.
    pub name: String,
    /// What callers hear when they enter the menu.
    pub prompt: String,
    /// What callers hear when the menu is repeated; `null`: the prompt.
    #[schema(required)]
    pub short_prompt: Option<String>,
    /// The keys of the menu and what they do.
    pub items: Vec<ItemShape>,
    /// How long to wait for the first key, in milliseconds.
    pub timeout_ms: u64,
    /// How long to wait for each further key, in milliseconds.
    pub inter_digit_timeout_ms: u64,
    /// Wrong keys, or silences, in one visit after which the menu gives up.
    pub max_retries: u32,
    /// What callers hear after a wrong key.
    pub invalid_prompt: String,
    /// What callers hear after a silence.
    pub timeout_prompt: String,
    /// The menu above this one: TypeID `ivrm_…`; `null` without one.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub parent_menu_id: Option<MenuId>,
    /// What happens when the menu gives up.
    pub on_exhausted: ActionShape,
    /// Keys that do the same in every menu.
    pub globals: GlobalsShape,
    /// Opening hours of the menu; `null`: always open.
    #[schema(required)]
    pub hours: Option<HoursShape>,
    /// When the menu was created.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When the menu was last changed.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// Version of the menu's stream, which is also its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

impl MenuView {
    fn of(at: &At, terms: &MenuTerms, created_at: Time, updated_at: Time) -> Self {
        Self {
            id: MenuId(at.id),
            name: terms.name.clone(),
            prompt: terms.prompt.clone(),
            short_prompt: terms.short_prompt.clone(),
            items: terms.items.iter().map(Into::into).collect(),
            timeout_ms: terms.timeout_ms,
            inter_digit_timeout_ms: terms.inter_digit_timeout_ms,
            max_retries: terms.max_retries,
            invalid_prompt: terms.invalid_prompt.clone(),
            timeout_prompt: terms.timeout_prompt.clone(),
            parent_menu_id: terms.parent_menu_id,
            on_exhausted: (&terms.on_exhausted).into(),
            globals: (&terms.globals).into(),
            hours: terms.hours.as_ref().map(Into::into),
            created_at,
            updated_at,
            version: at.version.0,
        }
    }
}

pub type MenuRow = Document<MenuView>;

impl Resource for MenuView {
    const TABLE: &'static str = "ivr_menus";

    fn id(&self) -> Uuid {
        self.id.0
    }

    fn created_at(&self) -> Time {
        self.created_at
    }

    fn version(&self) -> Version {
        Version(self.version)
    }
}

/// The view of IVR menus: one row a menu.
#[derive(Debug)]
pub struct IvrMenus;

impl View for IvrMenus {
    const NAME: &'static str = "ivr_menus";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&["ivr_menu.created", "ivr_menu.updated"]);
    type Row = MenuRow;
    type Fact = Box<MenuEvent>;

    fn read(event: &Recorded) -> Result<Option<(Uuid, Box<MenuEvent>)>, DecodeError> {
        if event.stream.category() != Menu::CATEGORY || !knows::<MenuEvent>(&event.event_type) {
            return Ok(None);
        }
        let fact = MenuEvent::decode(&event.event_type, event.schema, &event.payload)?;
        Ok(Some((event.stream.id(), Box::new(fact))))
    }

    fn apply(row: &mut Option<MenuRow>, at: &At, fact: Box<MenuEvent>) {
        match (row.as_mut(), *fact) {
            (None, MenuEvent::Created(created)) => {
                let view = MenuView::of(at, &created.terms, created.at, created.at);
                *row = Some(MenuRow { client: at.client, position: at.position, removed: false, view });
            }
            (Some(row), MenuEvent::Updated(updated)) => {
                row.view = MenuView::of(at, &updated.after, row.view.created_at, updated.at);
            }
            (Some(row), MenuEvent::Deleted(deleted)) => {
                row.removed = true;
                row.view.updated_at = deleted.at;
            }
            (Some(_), MenuEvent::Created(_)) | (None, _) => {}
        }
        if let Some(row) = row {
            row.position = at.position;
            row.view.version = at.version.0;
        }
    }
}
