//! REST endpoints of sign-in, clients, users and API keys, one file each.

pub mod clients;
pub mod keys;
pub mod login;
pub mod me;
mod owners;
pub mod providers;
pub mod refresh;
mod refresh_token;
pub mod revoke;
mod signed_in;
pub mod users;

pub(crate) use keys::KeyResource;
pub(crate) use users::UserResource;
