//! The console at `/`: static files embedded in the binary. It reads all its data from the public API.

mod assets;
mod routes;

pub use routes::configure;
