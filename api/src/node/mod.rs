//! The composition root: the edges are chosen, everything is wired once, and stopped in order.

mod belonging;
mod bootstrap;
mod call_feed;
mod carriers;
mod claims;
mod directories;
mod edges;
mod forget;
mod identity_provider;
mod lifecycle;
mod llms;
mod log_key;
mod readiness;
mod start;
mod store_watch;
mod webhooks;

pub(crate) use bootstrap::create_client;
pub use bootstrap::{Bootstrapped, DEFAULT_CLIENT};
pub use call_feed::{CallChange, CallFeed, CallWatch, Changes};
pub use carriers::ClientCarriers;
pub(crate) use carriers::{secret_place, telnyx_settings};
pub use claims::Claims;
pub(crate) use claims::{EMAIL, NUMBER};
pub use edges::Edges;
pub(crate) use edges::{
    keys_database, log_database, log_key, master_key, open_keys, open_log, open_private, open_views,
    seals_database, views_database, work_database,
};
pub(crate) use lifecycle::{data_dir_is_held, is_locked};
pub use lifecycle::{hold_data_dir, until_told_to_stop};
pub(crate) use llms::{llm_settings, own_accounts, patience};
pub use log_key::LogKey;
pub use start::{Backend, Node};
pub use webhooks::Webhooks;
