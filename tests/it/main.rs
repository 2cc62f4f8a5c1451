//! Journeys, crash tests and bad input against the real binary, from outside.

mod agent_calls;
mod api_keys;
mod audit_log;
mod authorisation;
mod bad_input;
mod calls;
mod cli;
mod conversations;
mod crash;
mod idempotency;
mod identity_provider;
mod ivr;
mod ivr_calls;
mod limits;
mod live;
mod llm_providers;
mod numbers;
mod outbound;
mod providers;
mod siege;
mod system;
mod telemetry;
mod two_nodes;
mod users;
mod webhooks;
mod webhooks_crash;
