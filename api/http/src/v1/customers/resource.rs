//! How the generic resource code reads customers and answers their refusals.

use domain::customer::{Customer, CustomerRefusal};
use domain::ids::CustomerId;
use projections::customers::Customers;

use super::super::commands::AsProblem;
use super::super::recipe::{Recipe, Wording};
use super::super::resource::Resource;
use crate::auth::permissions::CustomersRead;
use crate::problem::ApiError;

#[derive(Debug)]
pub(crate) struct CustomerResource;

impl Resource for CustomerResource {
    type Id = CustomerId;
    type Rules = Customer;
    type View = Customers;
}

impl Recipe for CustomerResource {
    type Read = CustomersRead;

    const WORDING: Wording = Wording {
        path: "/customers",
        tag: "customers",
        operation: "Customer",
        one: "a customer",
        noun: "customer",
        many: "customers",
        about_list: "",
    };
}

impl AsProblem for CustomerRefusal {
    const KIND: &'static str = "customer";

    fn as_problem(&self) -> ApiError {
        match self {
            CustomerRefusal::Unknown => ApiError::not_found(Self::KIND),
            CustomerRefusal::Invalid(field, detail) => ApiError::invalid(*field, "invalid", *detail),
            CustomerRefusal::Exists | CustomerRefusal::Merged(_) | CustomerRefusal::NotMerged(_) => {
                ApiError::conflict(self.to_string())
            }
        }
    }
}
