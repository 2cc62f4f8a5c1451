//! How long sessions in the menus are shown.

use super::setting::section;
use super::value::Days;

section! {
    /// Menus and sessions in them.
    pub struct IvrConfig {
        /// How many days a session is shown after its end; its events stay.
        session_retention: Days = "ivr.session_retention_days", "30";
    }
}
