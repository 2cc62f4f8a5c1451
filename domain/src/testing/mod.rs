//! What tests of any crate need: ids they control, scenarios (given, when, then), fixtures for calls and menus, time zone
//! files. Suites and fakes of ports are the crate `conformance`.

pub mod calls;
pub mod ids;
pub mod ivr;
pub mod scenario;
pub mod zones;
