//! Telnyx: webhooks as reports, and the client and the fake against each other.

mod calls;
mod commands;
mod delivery;
mod detail_records;
mod ingress;
mod pages;
mod world;
