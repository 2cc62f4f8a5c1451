//! Logs panics with their place and without their payload, which may hold anything.

use std::panic;

/// Replaces the process's panic hook, which would print the payload.
pub(super) fn install() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        // a literal was written by a programmer and holds no data; a formatted text may
        let literal = info.payload().downcast_ref::<&str>().copied();
        let thread = std::thread::current();
        tracing::error!(
            panic.place = place,
            panic.text = literal,
            thread = thread.name(),
            "a bug: the code panicked; report it with its place"
        );
    }));
}
