//! How the generic resource code reads IVR menus and answers their refusals.

use super::super::super::paging::Filter;
use domain::ids::MenuId;
use domain::ivr::menu::{FieldFault, Menu, MenuRefusal};
use projections::ivr_menus::IvrMenus;

use super::super::super::commands::AsProblem;
use super::super::super::recipe::{Recipe, Wording};
use super::super::super::resource::Resource;
use crate::auth::permissions::IvrRead;
use crate::problem::{ApiError, FieldError};

#[derive(Debug)]
pub(crate) struct MenuResource;

impl Resource for MenuResource {
    type Id = MenuId;
    type Rules = Menu;
    type View = IvrMenus;
}

impl Recipe for MenuResource {
    type Read = IvrRead;

    const WORDING: Wording = Wording {
        path: "/ivr/menus",
        tag: "ivr",
        operation: "IvrMenu",
        one: "an IVR menu",
        noun: "menu",
        many: "IVR menus",
        about_list: "",
    };

    fn filters() -> Vec<Filter> {
        vec![Filter::id::<MenuId>("parent_menu_id").says("Only menus whose parent is this menu: `ivrm_…`")]
    }
}

impl AsProblem for MenuRefusal {
    const KIND: &'static str = "menu";

    fn as_problem(&self) -> ApiError {
        match self {
            MenuRefusal::Unknown => ApiError::not_found(Self::KIND),
            MenuRefusal::Exists => ApiError::conflict(self.to_string()),
            MenuRefusal::Invalid(faults) => {
                ApiError::invalid_fields(faults.iter().map(field_error).collect())
            }
        }
    }
}

pub(super) fn field_error(fault: &FieldFault) -> FieldError {
    FieldError { field: fault.field.clone(), code: "invalid".to_owned(), detail: fault.detail.clone() }
}
