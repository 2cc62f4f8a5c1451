//! REST endpoints of IVR menus and IVR sessions.

pub mod menus;
pub mod sessions;

pub(crate) use menus::MenuResource;
pub(crate) use sessions::SessionResource;
