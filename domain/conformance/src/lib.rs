//! Suites that every adapter of a port must pass, and fakes of ports, which pass them too. The suite of the event store
//! is part of the program: `voxledger doctor --prove-event-store` runs it against an operator's server.

pub mod deliveries;
pub mod embeddings;
pub mod event_store;
pub mod fakes;
pub mod head_keeper;
pub mod idempotency;
pub mod lease;
pub mod llm;
pub mod log_target;
pub mod objects;
pub mod outbox;
pub mod seals;
pub mod vector_index;

/// Makes one `#[tokio::test]` of each case. Only for the suites.
#[doc(hidden)]
#[macro_export]
macro_rules! port_cases {
    ($fresh:path, $port:ident: $($case:ident),* $(,)?) => {
        mod $port {
            $(
                #[tokio::test]
                async fn $case() {
                    let subject = $fresh().await;
                    $crate::$port::$case(&subject).await;
                }
            )*
        }
    };
}
