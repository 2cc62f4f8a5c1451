//! IVR: menus that callers walk through with keys, and their sessions in them.
//!
//! A [`menu`] is edited over REST; every edit makes a new version. A [`session`] is one caller's way: a pure
//! state machine that keeps the version of each menu it entered. It asks for input, takes keys, silence or
//! the end of the call, and decides what follows. Keys from a carrier and keys over REST are the same to it.

pub mod action;
pub mod book;
pub mod hours;
pub mod lint;
pub mod menu;
pub mod reference;
pub mod session;
