//! Settings of IVR sessions.

use super::setting::section;
use super::value::Days;

section! {
    /// IVR menus and their sessions.
    pub struct IvrConfig {
        /// How many days a session is shown after its end; its events stay.
        session_retention: Days = "ivr.session_retention_days", "30";
    }
}
