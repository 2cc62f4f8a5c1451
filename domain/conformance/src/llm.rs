//! What every provider of language models must do, whatever its server does.
//!
//! `llm_suite!(fresh)` makes a test of each; `fresh` is an `async fn() -> impl Stage`.

#![expect(clippy::panic, reason = "a case that does not hold panics, as a test does")]

use async_trait::async_trait;
use serde_json::json;

use domain::conversation::Finish;
use domain::model::Usage;
use domain::ports::llm::{
    ChatEvent, ChatMessage, ChatProvider, ChatRequest, LlmFailure, ToolCall, ToolSpec, withdraw,
};

/// How a server refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Away {
    Overloaded,
    /// Too many requests; retry after so many milliseconds.
    RateLimited(u64),
    /// The account is used up.
    Billing,
    /// The API key is wrong.
    Credentials,
    UnknownModel,
    /// The request is too long.
    TooLong,
    BadRequest,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The answer is complete.
    Stop,
    /// The answer has reached the longest allowed length.
    Length,
    /// The model refuses to go on.
    Refused,
    /// Complete, but without the protocol's last word (`[DONE]`), where there is one.
    NoLastWord,
    /// The body ends without saying that the answer did.
    Unfinished,
    /// The connection breaks in the middle of a character.
    BreaksOff,
    /// With an error inside the stream.
    Error,
    /// Nothing comes any more, and the connection stays open.
    Hangs,
}

/// A call of a tool, the arguments in the pieces the server sends them in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SceneCall {
    pub name: String,
    /// Arguments in pieces. Servers that send calls whole join them.
    pub arguments: Vec<String>,
}

/// What a server does with the next request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scene {
    Answers {
        /// Text in the pieces it is sent in.
        text: Vec<String>,
        /// Tool calls that follow the text.
        calls: Vec<SceneCall>,
        ending: Ending,
        /// Size in bytes of the chunks that are sent; 0: a piece at a time.
        cut_every: usize,
    },
    /// The server refuses the request.
    Away(Away),
    /// The server never answers.
    Silent,
    /// The answer does not follow the protocol.
    Nonsense,
}

/// Usage that every [`Scene::Answers`] reports.
pub const USAGE: Usage = Usage::counted(41, 7);
/// The model every server serves.
pub const MODEL: &str = "model-1";

impl Scene {
    /// The server answers with this text.
    #[must_use]
    pub fn says(text: &[&str]) -> Self {
        let text = text.iter().map(|piece| (*piece).to_owned()).collect();
        Self::Answers { text, calls: vec![], ending: Ending::Stop, cut_every: 0 }
    }

    /// The server answers with these tool calls.
    #[must_use]
    pub fn calls(calls: &[(&str, &[&str])]) -> Self {
        let call = |(name, arguments): &(&str, &[&str])| SceneCall {
            name: (*name).to_owned(),
            arguments: arguments.iter().map(|piece| (*piece).to_owned()).collect(),
        };
        let calls = calls.iter().map(call).collect();
        Self::Answers { text: vec![], calls, ending: Ending::Stop, cut_every: 0 }
    }

    /// The same answer with another ending.
    #[must_use]
    pub fn ending(self, how: Ending) -> Self {
        match self {
            Self::Answers { text, calls, cut_every, .. } => {
                Self::Answers { text, calls, ending: how, cut_every }
            }
            other => other,
        }
    }

    /// The same answer, sent in chunks of `size` bytes.
    #[must_use]
    pub fn cut_every(self, size: usize) -> Self {
        match self {
            Self::Answers { text, calls, ending, .. } => {
                Self::Answers { text, calls, ending, cut_every: size }
            }
            other => other,
        }
    }
}

/// A provider and its scripted server. The provider gives up within a second and repeats once.
#[async_trait]
pub trait Stage: Send + Sync {
    fn provider(&self) -> &dyn ChatProvider;

    /// Tells the server what to do with the next requests, one scene each.
    fn play(&self, scenes: Vec<Scene>);

    /// How many requests the server has seen.
    fn asked(&self) -> usize;

    /// Whether this protocol sends tool calls in pieces.
    fn tells_calls_in_pieces(&self) -> bool;
}

fn request() -> ChatRequest {
    let parameters =
        json!({"type": "object", "properties": {"phone": {"type": "string"}}, "required": ["phone"]});
    ChatRequest {
        system: Some("You answer the phone for a clinic.".to_owned()),
        messages: vec![ChatMessage::User("Can I move my booking?".to_owned())],
        tools: vec![ToolSpec { name: "find".to_owned(), description: "Looks up".to_owned(), parameters }],
        temperature: Some(0.4),
        max_tokens: Some(300),
    }
}

type Told = (String, Vec<ToolCall>, Usage, Result<Finish, LlmFailure>);

async fn told(stage: &dyn Stage) -> Told {
    let (mut text, mut calls, mut usage, mut finish) = (String::new(), vec![], Usage::default(), None);
    let mut events = match stage.provider().stream(MODEL, &request()).await {
        Ok(events) => events,
        Err(failure) => return (text, calls, usage, Err(failure)),
    };
    while let Some(event) = events.next().await {
        match event {
            Ok(ChatEvent::Text(more)) => {
                assert!(!more.is_empty(), "an empty piece");
                assert!(finish.is_none(), "words after the end");
                text.push_str(&more);
            }
            Ok(ChatEvent::Withdrawn(bytes)) => withdraw(&mut text, bytes),
            Ok(ChatEvent::ToolCall(call)) => calls.push(call),
            Ok(ChatEvent::Usage(so_far)) => usage = so_far,
            Ok(ChatEvent::Finished(how)) => {
                assert!(finish.is_none(), "two ends");
                finish = Some(how);
            }
            Err(failure) => {
                assert!(events.next().await.is_none(), "something after a failure");
                return (text, calls, usage, Err(failure));
            }
        }
    }
    let finish = finish.ok_or(LlmFailure::Protocol("no end".to_owned()));
    (text, calls, usage, finish)
}

const WORDS: [&str; 3] = ["Grüß ", "dich, 你好 👋", "!"];

/// Text arrives unchanged, wherever the bytes are cut.
pub async fn words_are_the_same_wherever_the_bytes_are_cut(stage: &impl Stage) {
    for cut in [0, 1, 2, 3, 7, 64] {
        stage.play(vec![Scene::says(&WORDS).cut_every(cut)]);
        assert_eq!(told(stage).await, (WORDS.concat(), vec![], USAGE, Ok(Finish::Stop)), "cut every {cut}");
    }
}

/// A tool call is reported once and whole, in however many pieces it came.
pub async fn a_call_of_a_tool_is_told_whole(stage: &impl Stage) {
    for cut in [0, 1, 5] {
        let scene = Scene::calls(&[("find", &["{\"ph", "one\": \"+4", "5 é\"}"])]);
        stage.play(vec![scene.cut_every(cut)]);
        let (text, calls, usage, finish) = told(stage).await;
        assert_eq!((text.as_str(), calls.len(), usage, finish), ("", 1, USAGE, Ok(Finish::Stop)));
        assert_eq!(calls[0].name, "find");
        assert!(!calls[0].id.is_empty());
        let arguments: serde_json::Value = serde_json::from_str(&calls[0].arguments).unwrap_or_default();
        assert_eq!(arguments, json!({"phone": "+45 é"}));
    }
}

/// Two tool calls at once stay apart.
pub async fn parallel_calls_are_not_mixed_up(stage: &impl Stage) {
    stage.play(vec![Scene::calls(&[
        ("find", &["{\"phone\":", "\"1\"}"]),
        ("find", &["{\"phone\":", "\"2\"}"]),
    ])]);
    let (_, calls, _, finish) = told(stage).await;
    assert_eq!(finish, Ok(Finish::Stop));
    let arguments: Vec<serde_json::Value> =
        calls.iter().map(|call| serde_json::from_str(&call.arguments).unwrap_or_default()).collect();
    assert_eq!(arguments, [json!({"phone": "1"}), json!({"phone": "2"})]);
    assert_ne!(calls[0].id, calls[1].id);
}

/// No arguments at all are an empty object.
pub async fn a_call_without_arguments_has_an_empty_object(stage: &impl Stage) {
    stage.play(vec![Scene::calls(&[("find", &[])])]);
    let (_, calls, _, _) = told(stage).await;
    assert_eq!(calls.iter().map(|call| call.arguments.as_str()).collect::<Vec<_>>(), ["{}"]);
}

/// Arguments that are not JSON are passed on as they are, so that the model learns of it.
pub async fn broken_arguments_are_told_as_they_are(stage: &impl Stage) {
    if stage.tells_calls_in_pieces() {
        stage.play(vec![Scene::calls(&[("find", &["{\"phone\": ", "oops"])])]);
        let (_, calls, _, finish) = told(stage).await;
        assert_eq!((calls[0].arguments.as_str(), finish), ("{\"phone\": oops", Ok(Finish::Stop)));
    }
}

/// The answer tells how it ended.
pub async fn how_an_answer_ended_is_told(stage: &impl Stage) {
    for (ending, finish) in [
        (Ending::Length, Finish::Length),
        (Ending::Refused, Finish::Refused),
        (Ending::NoLastWord, Finish::Stop),
    ] {
        stage.play(vec![Scene::says(&["No"]).ending(ending)]);
        let (_, _, _, ended) = told(stage).await;
        assert_eq!(ended, Ok(finish), "{ending:?}");
    }
}

/// An answer that broke off is a failure, however much of it came.
pub async fn an_answer_that_breaks_off_is_a_failure(stage: &impl Stage) {
    for ending in [Ending::Unfinished, Ending::BreaksOff, Ending::Error] {
        stage.play(vec![Scene::says(&["One ", "moment"]).ending(ending)]);
        let (text, _, _, ended) = told(stage).await;
        assert!(matches!(&ended, Err(failure) if failure.is_sickness()), "{ending:?}: {ended:?}");
        assert!("One moment".starts_with(&text), "{text}");
    }
}

/// A silent server is given up in time.
pub async fn a_silent_server_is_given_up(stage: &impl Stage) {
    for scene in [Scene::Silent, Scene::says(&["One "]).ending(Ending::Hangs)] {
        stage.play(vec![scene.clone()]);
        let before = stage.asked();
        let (_, _, _, ended) = told(stage).await;
        assert!(matches!(ended, Err(LlmFailure::TimedOut(_))), "{scene:?}: {ended:?}");
        assert_eq!(stage.asked() - before, 1, "what may have been generated is not asked for again");
    }
}

/// An answer that makes no sense is a failure, not a panic.
pub async fn nonsense_is_a_failure(stage: &impl Stage) {
    stage.play(vec![Scene::Nonsense]);
    let (_, _, _, ended) = told(stage).await;
    assert!(matches!(&ended, Err(failure) if failure.is_sickness()), "{ended:?}");
    stage.play(vec![Scene::Nonsense]);
    assert!(stage.provider().complete(MODEL, &request()).await.is_err());
}

/// Every provider reports the reason of a refusal in the same terms.
pub async fn why_it_was_turned_away_is_told(stage: &impl Stage) {
    for away in [Away::Billing, Away::Credentials, Away::UnknownModel, Away::TooLong, Away::BadRequest] {
        stage.play(vec![Scene::Away(away)]);
        let before = stage.asked();
        let (_, _, _, ended) = told(stage).await;
        let right = matches!(
            (&ended, away),
            (Err(LlmFailure::Billing(_)), Away::Billing)
                | (Err(LlmFailure::Credentials), Away::Credentials)
                | (Err(LlmFailure::UnknownModel), Away::UnknownModel)
                | (Err(LlmFailure::TooLong), Away::TooLong)
                | (Err(LlmFailure::BadRequest(_)), Away::BadRequest)
        );
        assert!(right, "{away:?} is told as {ended:?}");
        assert_eq!(stage.asked() - before, 1, "{away:?} is not asked again");
    }
}

/// The wait that a server asks for is reported, and a short one is kept.
pub async fn the_wait_a_server_wants_is_told_and_a_short_one_is_kept(stage: &impl Stage) {
    stage.play(vec![Scene::Away(Away::RateLimited(22_000))]);
    let before = stage.asked();
    let (_, _, _, ended) = told(stage).await;
    let Err(LlmFailure::RateLimited { retry_after: Some(wait) }) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!((wait.as_secs(), stage.asked() - before), (22, 1), "who wants a long wait is not asked again");
    stage.play(vec![Scene::Away(Away::RateLimited(0)), Scene::says(&["Sure."])]);
    assert_eq!(told(stage).await.0, "Sure.");
}

/// An overloaded server is asked once more, and no more than that.
pub async fn who_is_too_busy_is_asked_once_more(stage: &impl Stage) {
    stage.play(vec![Scene::Away(Away::Overloaded), Scene::says(&["Sure."])]);
    assert_eq!(told(stage).await.0, "Sure.");
    stage.play(vec![Scene::Away(Away::Overloaded), Scene::Away(Away::Overloaded), Scene::says(&["Sure."])]);
    let before = stage.asked();
    let (_, _, _, ended) = told(stage).await;
    assert!(matches!(ended, Err(LlmFailure::Overloaded(_))), "{ended:?}");
    assert_eq!(stage.asked() - before, 2);
    stage.play(vec![]);
}

/// An answer taken whole says the same as a streamed one.
pub async fn a_whole_answer_says_the_same(stage: &impl Stage) {
    stage.play(vec![Scene::says(&WORDS)]);
    let whole = stage.provider().complete(MODEL, &request()).await;
    let whole = whole.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!((whole.text, whole.usage, whole.finish), (WORDS.concat(), USAGE, Finish::Stop));
    stage.play(vec![Scene::calls(&[("find", &["{\"phone\":\"1\"}"])])]);
    let whole = stage.provider().complete(MODEL, &request()).await;
    let whole = whole.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(whole.calls.iter().map(|call| &*call.name).collect::<Vec<_>>(), ["find"]);
    for (away, again) in [(Away::Credentials, 1), (Away::Overloaded, 2)] {
        stage.play(vec![Scene::Away(away), Scene::Away(away)]);
        let before = stage.asked();
        assert!(stage.provider().complete(MODEL, &request()).await.is_err());
        assert_eq!(stage.asked() - before, again, "{away:?}");
    }
}

/// Its models can be listed.
pub async fn its_models_can_be_listed(stage: &impl Stage) {
    let models = stage.provider().models().await;
    assert!(matches!(&models, Ok(models) if models.iter().any(|model| model == MODEL)), "{models:?}");
}

/// Every case, against a stage that `$fresh` sets up.
#[macro_export]
macro_rules! llm_suite {
    ($fresh:path) => {
        $crate::port_cases!($fresh, llm:
            words_are_the_same_wherever_the_bytes_are_cut,
            a_call_of_a_tool_is_told_whole,
            parallel_calls_are_not_mixed_up,
            a_call_without_arguments_has_an_empty_object,
            broken_arguments_are_told_as_they_are,
            how_an_answer_ended_is_told,
            an_answer_that_breaks_off_is_a_failure,
            a_silent_server_is_given_up,
            nonsense_is_a_failure,
            why_it_was_turned_away_is_told,
            the_wait_a_server_wants_is_told_and_a_short_one_is_kept,
            who_is_too_busy_is_asked_once_more,
            a_whole_answer_says_the_same,
            its_models_can_be_listed,
        );
    };
}
