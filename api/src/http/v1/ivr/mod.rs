//! Menus and sessions in them.

pub mod menus;
pub mod sessions;
