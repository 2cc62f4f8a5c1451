//! How the generic resource code reads IVR menus and answers their refusals.

use domain::envelope::StreamId;
use domain::ids::{ClientId, MenuId};
use domain::ivr::menu::{FieldFault, Menu, MenuRefusal};
use domain::ports::StoreUnavailable;
use projections::Queries;
use projections::ivr_menus::IvrMenus;
use projections::page::Stored;

use super::super::super::commands::AsProblem;
use super::super::super::resource::Resource;
use crate::problem::{ApiError, FieldError};

#[derive(Debug)]
pub(super) struct MenuResource;

impl Resource for MenuResource {
    type Id = MenuId;
    type Rules = Menu;
    type View = IvrMenus;

    fn stream(id: MenuId) -> StreamId {
        id.stream()
    }

    async fn stored(
        views: &dyn Queries,
        client: ClientId,
        id: MenuId,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        views.ivr_menu(client, id).await
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
