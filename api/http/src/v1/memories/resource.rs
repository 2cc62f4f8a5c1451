//! How the generic resource code reads memories and answers their refusals.

use domain::ids::MemoryId;
use domain::memory::{Memory, MemoryRefusal};
use projections::memories::Memories;

use super::super::commands::AsProblem;
use super::super::recipe::{Recipe, Wording};
use super::super::resource::Resource;
use crate::auth::permissions::CustomersRead;
use crate::problem::ApiError;

#[derive(Debug)]
pub(crate) struct MemoryResource;

impl Resource for MemoryResource {
    type Id = MemoryId;
    type Rules = Memory;
    type View = Memories;
}

impl Recipe for MemoryResource {
    type Read = CustomersRead;

    const WORDING: Wording = Wording {
        path: "/memories",
        tag: "customers",
        operation: "Memory",
        one: "a memory",
        noun: "memory",
        many: "memories",
        about_list: "",
    };
}

impl AsProblem for MemoryRefusal {
    const KIND: &'static str = "memory";

    fn as_problem(&self) -> ApiError {
        match self {
            MemoryRefusal::Unknown => ApiError::not_found(Self::KIND),
            MemoryRefusal::Invalid(field, detail) => ApiError::invalid(*field, "invalid", *detail),
            MemoryRefusal::Exists | MemoryRefusal::Over(_) | MemoryRefusal::NotYet => {
                ApiError::conflict(self.to_string())
            }
        }
    }
}
