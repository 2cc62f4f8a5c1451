//! The node: configuration, telemetry, and the composition root, which chooses the adapters, wires everything once and
//! stops it in order.

mod belonging;
pub mod config;
mod edges;
mod files;
mod forget;
mod history;
mod identity_provider;
mod lifecycle;
mod llms;
mod readiness;
mod shutdown;
mod start;
mod store_watch;
pub mod telemetry;
mod zones;

pub use edges::{
    Edges, keys_database, log_database, log_key, master_key, open_keys, open_log, open_private, open_seals,
    open_vault, open_views, seals_database, views_database, work_database,
};
pub use files::{OpenToOthers, embedded_files, keep_others_out, settle_all};
pub use history::{erase_again, keep_newest_head, must_stand, sealed_log};
pub use lifecycle::{
    Asked, UNFINISHED_RESTORE, data_dir_is_held, hold_data_dir, is_locked, lock_data_dir, until_told_to_stop,
};
pub use llms::{own_accounts, patience};
pub use shutdown::Ended;
pub use start::Node;
pub use zones::{ChosenZones, ZoneChoice};
