//! A customer: a person whom a client's calls and conversations are with, under every number and address they have.

mod event;
mod profile;
mod rules;
#[cfg(test)]
mod tests;

pub use event::{
    CustomerCreated, CustomerDeleted, CustomerEvent, CustomerMerged, CustomerMergedInto, CustomerSeparated,
    CustomerUpdated, MergeUndone,
};
pub use profile::{
    Email, MAX_EMAILS, MAX_LANGUAGE, MAX_NAME, MAX_PHONES, NotAnEmail, Profile, ProfileFault, ProfilePatch,
};
pub use rules::{Customer, CustomerCommand, CustomerRefusal, MAX_MERGED, Merge, MergedCustomer};
