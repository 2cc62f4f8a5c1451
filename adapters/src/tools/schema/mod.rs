//! JSON Schema of tools' arguments, interpreted within bounds.
//!
//! Schemas come from tenants and values from models: both are hostile input. A schema is compiled into nodes that
//! refer to each other by number, so it takes memory in proportion to its text; a validation counts steps and stops
//! at a limit. A schema that examines values too often, refers to itself without going deeper, or has large
//! patterns is refused when the tool is created. Nothing is fetched. ADR 0022 says why this is no library.

mod check;
mod compile;
mod pattern;
mod rules;
mod service;
mod values;

pub(super) use service::Schemas;

#[cfg(test)]
mod tests;
