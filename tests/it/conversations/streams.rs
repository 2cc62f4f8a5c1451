//! Streams that wait, break, and are taken up again.

use std::time::Duration;

use anyhow::{Context, Result};
use conformance::llm::Scene;
use serde_json::json;
use tests::llm_server::{Family, LlmServer};
use tests::sse::Stream;

use super::{Node, all, contents, names, words};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_waits_for_a_model_sends_comments_that_say_so() -> Result<()> {
    let model = LlmServer::held(Family::OpenAi).await?;
    let node = Node::start(&[
        ("OPENAI_API_BASE", &model.base),
        ("OPENAI_API_KEY", "sk-test"),
        ("CONVERSATIONS_KEEP_ALIVE_MS", "20"),
    ])?;
    let agent = node.agent(json!({"name": "A", "provider": "openai"})).await?;
    let path = format!("{}/messages", node.conversation(&agent).await?);
    let mut response = node.api.open_post(&path, &[], &json!({"content": "Hi"})).await?;
    let mut text = String::new();
    while text.matches(": the model is at work\n\n").count() < 3 {
        let chunk = tokio::time::timeout(Duration::from_secs(20), response.chunk()).await??;
        text.push_str(std::str::from_utf8(&chunk.context("the stream ended")?)?);
    }
    assert!(!text.contains("event:"), "{text}");
    model.let_go(1_000);
    let events = all(Stream::of(response)).await?;
    assert_eq!((words(&events).as_str(), names(&events).last()), ("Sure.", Some(&"done")));
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_while_the_answer_is_given_hears_the_rest_of_it_each_word_once() -> Result<()> {
    let model = LlmServer::held(Family::OpenAi).await?;
    let node = Node::start(&[("OPENAI_API_BASE", &model.base), ("OPENAI_API_KEY", "sk-test")])?;
    let agent = node.agent(json!({"name": "A", "provider": "openai"})).await?;
    let conversation = node.conversation(&agent).await?;
    model.play(vec![Scene::says(&["One ", "moment, ", "please."])]);
    let (path, hi) = (format!("{conversation}/messages"), json!({"content": "Hi"}));
    let opening = node.api.open_post(&path, &[], &hi);
    // as far as the first word
    model.let_go(3);
    let mut stream = Stream::of(opening.await?);
    let first = stream.next().await?.context("a word")?;
    assert_eq!(first.data["content"], "One ");
    drop(stream);
    let stream = format!("{conversation}/stream");
    let back = node.api.open(&stream, &[("last-event-id", &first.id)]).await?;
    // a second listener, from the beginning
    let other = node.api.open(&stream, &[]).await?;
    model.let_go(1_000);
    let (rest, whole) = (all(Stream::of(back)).await?, all(Stream::of(other)).await?);
    assert_eq!(words(&rest), "moment, please.");
    assert_eq!(names(&rest)[rest.len() - 2..], ["message", "done"]);
    assert_eq!((words(&whole).as_str(), &whole[0]), ("One moment, please.", &first));
    assert_eq!(whole[1..], rest);
    assert_eq!(contents(&node.messages(&conversation).await?), ["Hi", "One moment, please."]);
    assert_eq!(model.count(), 1, "the model was asked once");
    node.server.terminate()?;
    Ok(())
}
