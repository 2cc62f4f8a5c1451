//! Settings of clients' rate limits.

use std::num::NonZeroU32;
use std::time::Duration;

use super::setting::section;

section! {
    /// Rate limits, and how often the use of keys is recorded.
    pub struct LimitsConfig {
        /// Requests an hour by a key that has no limit of its own.
        key_requests_per_hour: NonZeroU32 = "limits.key_requests_per_hour", "100000";
        /// Requests a minute by all keys and users of a client, unless it has a limit of its own.
        client_requests_per_minute: NonZeroU32 = "limits.client_requests_per_minute", "6000";
        /// Streams of server-sent events that a client may have open at once.
        streams_per_client: NonZeroU32 = "limits.streams_per_client", "5000";
        /// Attempts to log in a minute for one e-mail address from one IP address; ten times as many from
        /// one, and for one.
        logins_per_minute: NonZeroU32 = "limits.logins_per_minute", "10";
        /// How often the use of keys is written to the log; what was counted since is lost in a crash.
        usage_flush: Duration = "limits.usage_flush_ms", "10000";
    }
}
