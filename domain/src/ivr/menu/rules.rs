//! The rules of a menu: its commands, refusals and state.

use std::sync::Arc;

use super::event::{MenuCreated, MenuDeleted, MenuEvent, MenuUpdated};
use super::terms::{MenuPatch, MenuTerms};
use super::validate::{FieldFault, faults};
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::zones::Zones;

/// A command for a menu.
#[derive(Debug, Clone)]
pub enum MenuCommand {
    Create {
        terms: Box<MenuTerms>,
        /// Known time zones, to check the hours.
        zones: Zones,
        now: Time,
    },
    Update {
        patch: Box<MenuPatch>,
        /// Known time zones, to check the hours.
        zones: Zones,
        now: Time,
    },
    Delete {
        now: Time,
    },
}

/// Why a menu refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MenuRefusal {
    /// The menu never existed, or was deleted.
    #[error("the menu does not exist")]
    Unknown,
    #[error("the menu exists already")]
    Exists,
    /// All faults, one for each field.
    #[error("the menu has invalid fields")]
    Invalid(Vec<FieldFault>),
}

/// State of a menu, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct Menu {
    created: Option<Arc<MenuTerms>>,
    terms: Option<Arc<MenuTerms>>,
    deleted: bool,
}

impl Menu {
    /// The current contents, also of a deleted menu: callers inside it stay in it.
    #[must_use]
    pub fn terms(&self) -> Option<&Arc<MenuTerms>> {
        self.terms.as_ref()
    }

    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.deleted
    }

    fn live(&self) -> Result<&MenuTerms, MenuRefusal> {
        self.terms.as_deref().filter(|_| !self.deleted).ok_or(MenuRefusal::Unknown)
    }
}

fn valid(terms: &MenuTerms, zones: &Zones) -> Result<(), MenuRefusal> {
    match faults(terms, zones) {
        none if none.is_empty() => Ok(()),
        faults => Err(MenuRefusal::Invalid(faults)),
    }
}

impl Aggregate for Menu {
    const CATEGORY: &'static str = crate::ids::MenuId::CATEGORY;
    type Command = MenuCommand;
    type Event = MenuEvent;
    type Refusal = MenuRefusal;

    fn decide(&self, command: &MenuCommand) -> Result<Vec<MenuEvent>, MenuRefusal> {
        match command {
            // a repeat of the same request changes nothing
            MenuCommand::Create { terms, .. } if !self.deleted && self.created.as_deref() == Some(terms) => {
                Ok(vec![])
            }
            MenuCommand::Create { .. } if self.created.is_some() => Err(MenuRefusal::Exists),
            MenuCommand::Create { terms, zones, now } => {
                valid(terms, zones)?;
                Ok(vec![MenuCreated { terms: terms.clone(), at: *now }.into()])
            }
            MenuCommand::Update { patch, zones, now } => {
                let before = self.live()?;
                let after = before.with(patch);
                if *before == after {
                    return Ok(vec![]);
                }
                valid(&after, zones)?;
                Ok(vec![
                    MenuUpdated { before: Box::new(before.clone()), after: Box::new(after), at: *now }.into(),
                ])
            }
            MenuCommand::Delete { now } => {
                self.live()?;
                Ok(vec![MenuDeleted { at: *now }.into()])
            }
        }
    }

    fn evolve(&mut self, event: &MenuEvent) {
        match event {
            MenuEvent::Created(created) => {
                let terms = Arc::new((*created.terms).clone());
                self.created = Some(terms.clone());
                self.terms = Some(terms);
            }
            MenuEvent::Updated(updated) => self.terms = Some(Arc::new((*updated.after).clone())),
            MenuEvent::Deleted(_) => self.deleted = true,
        }
    }
}
