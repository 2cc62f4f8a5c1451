//! The composition root: chooses the adapters, wires everything once, and stops it in order.

mod belonging;
mod bootstrap;
mod call_board;
mod call_feed;
mod carriers;
mod directories;
mod edges;
mod farewell;
mod files;
mod forget;
mod history;
mod identity_provider;
mod lifecycle;
mod llms;
mod log_key;
mod notes;
mod readiness;
mod start;
mod store_watch;
mod unique_names;
mod webhooks;
mod zones;

pub(crate) use bootstrap::{Asker, create_client, new_owner_key};
pub use bootstrap::{DEFAULT_CLIENT, ShowKey};
pub use call_board::{BoardError, BoardWatch, CallBoards, CallSource};
pub use call_feed::{CallBell, CallChange, CallFeed, CallWatch, Changes};
pub use carriers::ClientCarriers;
pub(crate) use carriers::{Through, secret_place, telnyx_settings};
pub use edges::Edges;
pub(crate) use edges::{
    keys_database, log_database, log_key, master_key, open_keys, open_log, open_private, open_seals,
    open_vault, open_views, seals_database, views_database, work_database,
};
pub use farewell::Ended;
pub(crate) use files::{OpenToOthers, embedded_files, keep_others_out, settle_all};
pub(crate) use history::{erase_again, keep_newest_head, must_stand, sealed_log};
pub use lifecycle::{Asked, hold_data_dir, until_told_to_stop};
pub(crate) use lifecycle::{UNFINISHED_RESTORE, data_dir_is_held, is_locked, lock_data_dir};
pub(crate) use llms::{llm_settings, own_accounts, patience};
pub use log_key::LogKey;
pub use notes::Notes;
pub use start::{Backend, Node};
pub use unique_names::UniqueNames;
pub(crate) use unique_names::{EMAIL, NUMBER, OWN_NUMBER};
pub use webhooks::Webhooks;
pub(crate) use zones::{ChosenZones, ZoneChoice};
