//! Every provider against a server that speaks its protocol to the byte and misbehaves as servers do.

#![expect(clippy::unwrap_used, reason = "a stage that cannot be set up is a test that fails")]

use std::sync::Arc;
use std::time::Duration;

use adapters::llm::{Anthropic, Dialect, Family, Google, HttpChat, LlmKey, OpenAi, Patience};
use async_trait::async_trait;
use conformance::llm::{Scene, Stage};
use domain::ports::llm::ChatProvider;
use tests::llm_server::{Family as Server, LlmServer};

struct Theatre {
    server: LlmServer,
    provider: Arc<dyn ChatProvider>,
    in_pieces: bool,
}

#[async_trait]
impl Stage for Theatre {
    fn provider(&self) -> &dyn ChatProvider {
        &*self.provider
    }

    fn play(&self, scenes: Vec<Scene>) {
        self.server.play(scenes);
    }

    fn asked(&self) -> usize {
        self.server.count()
    }

    fn tells_calls_in_pieces(&self) -> bool {
        self.in_pieces
    }
}

async fn theatre<D: Dialect>(family: Server, dialect: D) -> Theatre {
    let server = LlmServer::start(family).await.unwrap();
    let half = Duration::from_millis(500);
    let patience = Patience { first_token: half, between: half, pause: half, ..Patience::default() };
    let http = adapters::http::client().build().unwrap();
    let clock = Arc::new(adapters::clock::SystemClock);
    let provider =
        Arc::new(HttpChat::new(dialect, http, &server.base, LlmKey::new("key-1"), patience, clock));
    Theatre { server, provider, in_pieces: family != Server::Google }
}

async fn openai() -> Theatre {
    theatre(Server::OpenAi, OpenAi(Family::OpenAi)).await
}

async fn groq() -> Theatre {
    theatre(Server::Groq, OpenAi(Family::Groq)).await
}

async fn compatible() -> Theatre {
    theatre(Server::OpenAi, OpenAi(Family::Compatible)).await
}

async fn anthropic() -> Theatre {
    theatre(Server::Anthropic, Anthropic).await
}

async fn google() -> Theatre {
    theatre(Server::Google, Google).await
}

mod of_openai {
    conformance::llm_suite!(crate::llm_providers::openai);
}

mod of_groq {
    conformance::llm_suite!(crate::llm_providers::groq);
}

mod of_openai_compatible {
    conformance::llm_suite!(crate::llm_providers::compatible);
}

mod of_anthropic {
    conformance::llm_suite!(crate::llm_providers::anthropic);
}

mod of_google {
    conformance::llm_suite!(crate::llm_providers::google);
}
