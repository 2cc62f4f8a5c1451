//! IVR: menus that callers walk by keys, and their way through them.
//!
//! A [`menu`] is edited over REST; every edit is a version of it. A [`session`] is one caller's way: a pure state
//! machine that keeps the version of each menu it entered. It asks for input, hears keys, silence or the end of
//! the call, and says what follows; whether keys come from a carrier or over REST makes no difference to it.

pub mod action;
pub mod book;
pub mod hours;
pub mod lint;
pub mod menu;
pub mod reference;
pub mod session;
