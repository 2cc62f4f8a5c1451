//! REST endpoints of IVR menus and IVR sessions.

pub mod menus;
pub mod sessions;
