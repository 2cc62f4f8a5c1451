//! Sentiment of messages, scored off the hot path: by a model where one is available, otherwise by a word list.

use domain::conversation::{Conversation, ConversationCommand, Judge, MessageKind, MessageRole};
use domain::ids::{ClientId, ConversationId};
use domain::model::{ModelRef, Provider};
use domain::ports::llm::{ChatMessage, ChatRequest};
use tokio::sync::mpsc;

use super::service::ConversationService;
use crate::context::CommandContext;

/// Most messages scored in one request to a model.
const AT_ONCE: usize = 20;
/// Characters of a message that are scored; the rest is ignored.
const LOOKED_AT: usize = 500;
const TASK: &str = "Judge the sentiment of each numbered utterance from -100 (very negative) to 100 (very \
    positive), 0 is neutral. Answer with a JSON array of integers, one an utterance, and nothing else.";

const GOOD: &[&str] = &[
    "amazing",
    "awesome",
    "best",
    "brilliant",
    "cool",
    "delighted",
    "easy",
    "excellent",
    "fantastic",
    "fine",
    "glad",
    "good",
    "great",
    "happy",
    "helpful",
    "kind",
    "love",
    "lovely",
    "nice",
    "perfect",
    "pleased",
    "quick",
    "right",
    "satisfied",
    "super",
    "thank",
    "thanks",
    "welcome",
    "wonderful",
    "yes",
];
const BAD: &[&str] = &[
    "angry",
    "annoyed",
    "annoying",
    "awful",
    "bad",
    "broken",
    "cancel",
    "complain",
    "complaint",
    "confused",
    "disappointed",
    "error",
    "fail",
    "failed",
    "frustrated",
    "frustrating",
    "furious",
    "hate",
    "horrible",
    "late",
    "lost",
    "mad",
    "never",
    "pain",
    "poor",
    "problem",
    "refund",
    "ridiculous",
    "rude",
    "sad",
    "slow",
    "sorry",
    "stupid",
    "terrible",
    "ugly",
    "unacceptable",
    "unhappy",
    "upset",
    "useless",
    "worse",
    "worst",
    "wrong",
];
const NOT: &[&str] = &["cannot", "don't", "dont", "isn't", "no", "not", "never", "without", "won't"];
const VERY: &[&str] = &["absolutely", "extremely", "really", "so", "totally", "very"];

/// The sentiment of a text by word list, from -1000 (very negative) to 1000 (very positive), 0 without known words.
#[must_use]
pub fn lexicon_score(text: &str) -> i16 {
    let lower = text.to_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !(c.is_alphanumeric() || c == '\'')).filter(|word| !word.is_empty()).collect();
    let (mut sum, mut found) = (0i32, 0i32);
    for (at, word) in words.iter().enumerate() {
        let base = match (GOOD.contains(word), BAD.contains(word)) {
            (true, _) => 500,
            (_, true) => -600,
            _ => continue,
        };
        let before = &words[at.saturating_sub(3)..at];
        let turned = if before.iter().any(|word| NOT.contains(word)) { -1 } else { 1 };
        let strong = if before.last().is_some_and(|word| VERY.contains(word)) { 3 } else { 2 };
        sum += base * turned * strong / 2;
        found += 1;
    }
    // divides by the square root, so that several words of one kind weigh more than one, but not many times more
    let score = if found == 0 { 0.0 } else { f64::from(sum) / f64::from(found).sqrt() };
    score.clamp(-1_000.0, 1_000.0) as i16
}

/// A conversation whose messages from `from` on are to be scored.
#[derive(Debug)]
pub(super) struct ScoreRequest {
    pub(super) conversation: ConversationId,
    pub(super) from: u32,
    pub(super) models: Vec<ModelRef>,
    pub(super) context: CommandContext,
}

/// Scores the sentiment of conversations one after the other, until the channel closes.
#[derive(Debug)]
pub struct SentimentScorer(pub(super) mpsc::Receiver<ScoreRequest>);

impl SentimentScorer {
    /// Scores until `stop`, or until the last handle to `conversations` is gone.
    pub async fn run(
        mut self,
        conversations: ConversationService,
        stop: tokio_util::sync::CancellationToken,
    ) {
        loop {
            let next = tokio::select! {
                () = stop.cancelled() => return,
                next = self.0.recv() => next,
            };
            let Some(job) = next else { return };
            if let Err(error) = conversations.judge(&job).await {
                tracing::info!(%error, "a mood is not judged");
            }
        }
    }
}

impl ConversationService {
    async fn judge(&self, job: &ScoreRequest) -> Result<(), String> {
        let from = job.from;
        let look = move |state: &Conversation| -> Vec<(u32, String)> {
            let said = state.window().filter(|one| {
                one.seq >= from && one.role == MessageRole::User && one.kind == MessageKind::Text
            });
            said.filter_map(|one| Some((one.seq, one.content.reveal()?.clone()))).take(AT_ONCE).collect()
        };
        let said = self.look(job.conversation, look).await.map_err(|error| error.to_string())?;
        if said.is_empty() {
            return Ok(());
        }
        let scripted = job.models.iter().all(|model| model.provider == Provider::Scripted);
        let judged = if scripted || !self.options().judge_by_model {
            None
        } else {
            self.judged_by_model(job.context.client, &job.models, &said).await
        };
        let by = if judged.is_some() { Judge::Model } else { Judge::Lexicon };
        let scores = judged.unwrap_or_else(|| said.iter().map(|(_, text)| lexicon_score(text)).collect());
        for ((seq, _), score_permille) in said.iter().zip(scores) {
            let now = self.runtime().clock.now();
            let judge = ConversationCommand::Judge { seq: *seq, score_permille, by, now };
            self.command(job.conversation, judge, &job.context).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    async fn judged_by_model(
        &self,
        client: ClientId,
        models: &[ModelRef],
        said: &[(u32, String)],
    ) -> Option<Vec<i16>> {
        let line = |(n, (_, text)): (usize, &(u32, String))| {
            let text: String = text.replace('\n', " ").chars().take(LOOKED_AT).collect();
            format!("{}. {text}", n + 1)
        };
        let text: Vec<String> = said.iter().enumerate().map(line).collect();
        let request = ChatRequest {
            system: Some(TASK.to_owned()),
            messages: vec![ChatMessage::User(text.join("\n"))],
            temperature: Some(0.0),
            max_tokens: Some(300),
            ..ChatRequest::default()
        };
        let (_, completion) = self.models().complete(client, models, &request).await.ok()?;
        read_scores(&completion.text, said.len())
    }
}

fn read_scores(text: &str, wanted: usize) -> Option<Vec<i16>> {
    let (from, to) = (text.find('[')?, text.rfind(']')?);
    let scores: Vec<f64> = serde_json::from_str(text.get(from..=to)?).ok()?;
    let right = scores.len() == wanted && scores.iter().all(|score| (-100.0..=100.0).contains(score));
    right.then(|| scores.into_iter().map(|score| (score * 10.0) as i16).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_judged_with_what_stands_before_them() {
        assert!(lexicon_score("Thanks, that is great!") > 400);
        assert!(lexicon_score("This is terrible") < -400);
        assert!(lexicon_score("this is not good") < 0);
        assert!(lexicon_score("very bad") < lexicon_score("bad"));
        assert_eq!(lexicon_score("I would like to move my booking to Tuesday"), 0);
        assert_eq!(lexicon_score(""), 0);
        assert!((-1_000..=1_000).contains(&lexicon_score(&"awful ".repeat(500))));
    }

    #[test]
    fn a_models_scores_are_taken_only_if_they_are_what_was_asked_for() {
        assert_eq!(read_scores("Here: [50, -100]", 2), Some(vec![500, -1_000]));
        for bad in ["", "[50]", "[50, 900]", "[\"a\", 1]", "][", "50, 60"] {
            assert_eq!(read_scores(bad, 2), None, "{bad}");
        }
    }
}
