//! A user: a person who signs in with an e-mail address and a password.

mod event;
mod role;
mod rules;
#[cfg(test)]
mod tests;

pub use event::{
    LoginFailed, PasswordChanged, SignedOut, UserCreated, UserDeleted, UserEvent, UserTerms, UserUpdated,
};
pub use role::Role;
pub use rules::{User, UserCommand, UserRefusal, normal_email};
