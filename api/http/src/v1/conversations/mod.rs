//! REST endpoints of conversations, one file each.

mod answer;
pub(super) mod create;
pub(super) mod end;
pub(super) mod list;
pub(super) mod messages;
pub(super) mod one_call;
mod resource;
pub(super) mod say;
pub(super) mod stream;
mod turn_stream;

pub(crate) use resource::ConversationResource;
