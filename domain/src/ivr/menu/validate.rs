//! What is wrong with a single menu, one fault for each field. Whether the menus it leads to
//! exist is checked elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::super::action::{Action, Collect, MAX_INPUT, Webhook};
use super::super::hours::{Hours, MAX_OVERRIDES, MAX_WINDOWS, Window};
use super::terms::MenuTerms;
use crate::zones::Zones;

/// Most keys a menu may have.
const MAX_ITEMS: usize = 50;
/// Most digits of a key.
const MAX_KEY: usize = 8;
/// Longest prompt, in characters: together with the sentences before it, it stays below what
/// carriers speak at once.
const MAX_PROMPT: usize = 1_500;
/// Longest sentence before a prompt, in characters.
const MAX_SENTENCE: usize = 500;
/// Longest text to say, in characters.
const MAX_SAY: usize = 1_000;
/// Most actions nested in one another.
const MAX_NESTING: usize = 4;

/// A field at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFault {
    /// Path of the field as REST clients write it, for example `items[0].target`.
    pub field: String,
    /// What would be right, as a sentence.
    pub detail: String,
}

#[derive(Default)]
struct Faults(BTreeMap<String, String>);

impl Faults {
    /// Adds a fault unless the field has one already.
    fn add(&mut self, field: impl Into<String>, detail: impl Into<String>) {
        self.0.entry(field.into()).or_insert_with(|| detail.into());
    }

    fn list(self) -> Vec<FieldFault> {
        self.0.into_iter().map(|(field, detail)| FieldFault { field, detail }).collect()
    }

    fn text(&mut self, field: impl Into<String>, text: &str, most: usize) {
        if text.trim().is_empty() || text.chars().count() > most || text.chars().any(char::is_control) {
            self.add(field, format!("must have 1 to {most} characters and no control characters"));
        }
    }
}

/// All faults of a single action; `field` is the path where it stands.
#[must_use]
pub fn action_faults(of: &Action, field: &str) -> Vec<FieldFault> {
    let mut faults = Faults::default();
    action(of, field, &mut faults);
    faults.list()
}

/// All faults of a menu; `zones` are the time zones its hours may use.
#[must_use]
pub fn faults(terms: &MenuTerms, zones: &Zones) -> Vec<FieldFault> {
    let mut faults = Faults::default();
    faults.text("name", &terms.name, 100);
    faults.text("prompt", &terms.prompt, MAX_PROMPT);
    if let Some(short) = &terms.short_prompt {
        faults.text("short_prompt", short, MAX_PROMPT);
    }
    faults.text("invalid_prompt", &terms.invalid_prompt, MAX_SENTENCE);
    faults.text("timeout_prompt", &terms.timeout_prompt, MAX_SENTENCE);
    if !(500..=60_000).contains(&terms.timeout_ms) {
        faults.add("timeout_ms", "must be 500 to 60000");
    }
    if !(200..=20_000).contains(&terms.inter_digit_timeout_ms) {
        faults.add("inter_digit_timeout_ms", "must be 200 to 20000");
    }
    if !(1..=10).contains(&terms.max_retries) {
        faults.add("max_retries", "must be 1 to 10");
    }
    items(terms, &mut faults);
    globals(terms, &mut faults);
    for (at, item) in terms.items.iter().enumerate() {
        action(&item.action, &format!("items[{at}]"), &mut faults);
    }
    action(&terms.on_exhausted, "on_exhausted", &mut faults);
    if matches!(terms.on_exhausted, Action::Repeat | Action::Collect(_)) {
        faults.add(
            "on_exhausted.action",
            "must be one of submenu, back, main, say, agent, transfer, webhook, hangup",
        );
    }
    if let Some(of) = &terms.hours {
        hours(of, zones, &mut faults);
    }
    faults.list()
}

fn is_key(text: &str) -> bool {
    (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'*' | b'#'))
}

fn items(terms: &MenuTerms, faults: &mut Faults) {
    if terms.items.len() > MAX_ITEMS {
        faults.add("items", format!("must be at most {MAX_ITEMS}"));
    }
    let mut seen = BTreeSet::new();
    for (at, item) in terms.items.iter().enumerate() {
        if !is_key(&item.digit) {
            faults.add(format!("items[{at}].digit"), format!("must be 1 to {MAX_KEY} of 0-9 * #"));
        } else if !seen.insert(&item.digit) {
            faults.add(format!("items[{at}].digit"), "is used by an earlier item");
        }
        faults.text(format!("items[{at}].label"), &item.label, 100);
    }
}

fn globals(terms: &MenuTerms, faults: &mut Faults) {
    let mut seen: BTreeSet<&str> = terms.items.iter().map(|item| item.digit.as_str()).collect();
    for (name, key, _) in terms.globals.all() {
        let field = format!("globals.{name}");
        if !is_key(key) {
            faults.add(field, format!("must be 1 to {MAX_KEY} of 0-9 * #"));
        } else if !seen.insert(key) {
            faults.add(field, "is used by an item or another global key");
        }
    }
}

fn action(action: &Action, field: &str, faults: &mut Faults) {
    if action.all().count() > MAX_NESTING {
        return faults.add(
            format!("{field}.target"),
            format!("must have at most {MAX_NESTING} actions one in another"),
        );
    }
    let target = format!("{field}.target");
    match action {
        Action::Say { text } => faults.text(target, text, MAX_SAY),
        Action::Transfer { to } if !to.reveal().is_some_and(|to| to.is_dialable()) => {
            faults.add(target, "must be a number in E.164 like +12025550123, or a SIP URI");
        }
        Action::Collect(of) => {
            collect(of, &target, faults);
            self::action(&of.then, &format!("{target}.then"), faults);
        }
        Action::Webhook(of) => {
            webhook(of, &target, faults);
            self::action(&of.on_error, &format!("{target}.on_error"), faults);
        }
        _ => {}
    }
}

fn collect(collect: &Collect, field: &str, faults: &mut Faults) {
    let name = collect.name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !name || collect.name.is_empty() || collect.name.len() > 64 {
        faults.add(format!("{field}.name"), "must have 1 to 64 letters, digits and underscores");
    }
    if let Some(prompt) = &collect.prompt {
        faults.text(format!("{field}.prompt"), prompt, MAX_PROMPT);
    }
    let most = u32::try_from(MAX_INPUT).unwrap_or(u32::MAX);
    if !(1..=most).contains(&collect.max_digits) {
        faults.add(format!("{field}.max_digits"), format!("must be 1 to {MAX_INPUT}"));
    }
    if collect.min_digits < 1 || collect.min_digits > collect.max_digits {
        faults.add(format!("{field}.min_digits"), "must be 1 to max_digits");
    }
    if collect.terminator.is_some_and(|key| !matches!(key, '*' | '#')) {
        faults.add(format!("{field}.terminator"), "must be * or #");
    }
}

fn webhook(webhook: &Webhook, field: &str, faults: &mut Faults) {
    let rest = webhook.url.strip_prefix("https://").or_else(|| webhook.url.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let plain = webhook.url.bytes().all(|b| b.is_ascii_graphic());
    if host.is_empty() || host.contains('@') || !plain || webhook.url.len() > 2_048 {
        faults.add(
            format!("{field}.url"),
            "must be an http(s) address of at most 2048 characters, without a user",
        );
    }
    if !(100..=10_000).contains(&webhook.timeout_ms) {
        faults.add(format!("{field}.timeout_ms"), "must be 100 to 10000");
    }
}

fn hours(hours: &Hours, zones: &Zones, faults: &mut Faults) {
    if zones.find(&hours.timezone).is_none() {
        let detail = match Zones::name_meant_by(&hours.timezone) {
            Some(name) => format!("must be written {name}"),
            None => "must be an IANA zone like Europe/Berlin".to_owned(),
        };
        faults.add("hours.timezone", detail);
    }
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    for (day, windows) in DAYS.iter().zip(&hours.weekly) {
        if !are_windows(windows) {
            faults.add(
                format!("hours.weekly.{day}"),
                format!("must be at most {MAX_WINDOWS} windows from 00:00 to 24:00"),
            );
        }
    }
    if hours.overrides.len() > MAX_OVERRIDES {
        faults.add("hours.overrides", format!("must be at most {MAX_OVERRIDES}"));
    }
    let mut days = BTreeSet::new();
    for (at, other) in hours.overrides.iter().enumerate() {
        if !days.insert(other.date) {
            faults.add(format!("hours.overrides[{at}].date"), "is there already");
        }
        if !are_windows(&other.windows) {
            faults.add(
                format!("hours.overrides[{at}].windows"),
                format!("must be at most {MAX_WINDOWS} windows from 00:00 to 24:00"),
            );
        }
    }
    action(&hours.closed, "hours.closed", faults);
    if matches!(hours.closed, Action::Repeat | Action::Collect(_)) {
        faults.add(
            "hours.closed.action",
            "must be one of submenu, back, main, say, agent, transfer, webhook, hangup",
        );
    }
}

fn are_windows(windows: &[Window]) -> bool {
    let whole =
        |window: &Window| window.from < 1_440 && (1..=1_440).contains(&window.to) && window.from != window.to;
    windows.len() <= MAX_WINDOWS && windows.iter().all(whole)
}
