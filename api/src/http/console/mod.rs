//! The console at `/`: static files, embedded in the binary. All it shows it asks of the public API.

mod assets;
mod routes;

pub use routes::configure;
