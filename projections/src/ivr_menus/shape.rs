//! IVR menus as the API writes and reads them: actions by name and target, times of day as `HH:MM`.

use domain::ids::AgentId;
use domain::ivr::action::{Action, Collect, Webhook};
use domain::ivr::hours::{Hours, Override, Window, minutes, time_of_day};
use domain::ivr::menu::{FieldFault, Globals, Item};
use domain::personal::Personal;
use domain::phone::Party;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Default time limit of a menu webhook, in milliseconds.
const WEBHOOK_TIMEOUT_MS: u64 = 3_000;
/// Deepest nesting of actions that is read; fewer are valid.
const MAX_DEPTH: usize = 16;

/// What an IVR menu does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IvrAction)]
pub struct ActionShape {
    /// Name of the action: `submenu`, `back`, `main`, `repeat`, `say`, `collect`, `agent`,
    /// `transfer`, `webhook` or `hangup`.
    #[schema(value_type = crate::words::IvrActionType)]
    pub action: String,
    /// For `submenu` a menu's id, for `say` a text, for `agent` an agent's id or nothing, for `transfer` a number
    /// in E.164 or a SIP URI; for `collect` `{name, prompt?, min_digits, max_digits, terminator, secret, then}`,
    /// for `webhook` `{url, timeout_ms, on_error}`, where `then` and `on_error` are actions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TargetShape>)]
    pub target: Option<Value>,
}

/// A key of a menu and what it does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IvrItem)]
pub struct ItemShape {
    /// Key that chooses the option: `0`–`9`, `*`, `#`, or several of them.
    #[schema(example = "1", pattern = "^[0-9*#]+$")]
    pub digit: String,
    /// Label for people; callers hear it when digits are collected without a prompt.
    #[schema(example = "Appointments")]
    pub label: String,
    /// Name of the action that the key performs.
    #[schema(value_type = crate::words::IvrActionType)]
    pub action: String,
    /// Target of the action, as in an action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TargetShape>)]
    pub target: Option<Value>,
}

/// Keys that do the same in every menu that has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IvrGlobals)]
pub struct GlobalsShape {
    /// Key that plays the menu again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<String>,
    /// Key that goes back to the menu before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
    /// Key that goes to the first menu.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main: Option<String>,
    /// Key that connects to your default agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
}

/// Opening hours from one time of day to another; a window that ends no later than it begins extends
/// into the next day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IvrWindow)]
pub struct WindowShape {
    /// Time of opening as `HH:MM`.
    #[schema(example = "09:00")]
    pub from: String,
    /// Time of closing as `HH:MM`, at most `24:00`; not included.
    #[schema(example = "17:00")]
    pub to: String,
}

/// Opening hours by day of the week.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = IvrWeek)]
pub struct WeekShape {
    pub mon: Vec<WindowShape>,
    pub tue: Vec<WindowShape>,
    pub wed: Vec<WindowShape>,
    pub thu: Vec<WindowShape>,
    pub fri: Vec<WindowShape>,
    pub sat: Vec<WindowShape>,
    pub sun: Vec<WindowShape>,
}

/// A day with different hours; without windows it is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IvrOverride)]
pub struct OverrideShape {
    /// The date in the menu's time zone.
    #[schema(example = "2026-12-24", format = Date)]
    pub date: String,
    /// Opening hours of the day; closed all day if empty. A window over midnight extends into the next day, unless
    /// that has different hours too.
    #[serde(default)]
    pub windows: Vec<WindowShape>,
}

/// Opening hours of a menu.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IvrHours)]
pub struct HoursShape {
    /// An IANA time zone, written exactly as IANA does; old names such as `Asia/Calcutta` are accepted too.
    #[schema(example = "America/New_York")]
    pub timezone: String,
    /// Opening hours of each day of the week; a day that is left out is closed.
    #[serde(default)]
    pub weekly: WeekShape,
    /// Days with different hours. Each replaces its whole calendar day: a window of the day before that extends
    /// past midnight ends at midnight.
    #[serde(default)]
    pub overrides: Vec<OverrideShape>,
    /// What happens instead of the menu while it is closed.
    pub closed: ActionShape,
}

/// Target of an action: the id of a menu or an agent, a text, a party, the digits to collect, or the webhook to ask.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = IvrTarget)]
#[expect(dead_code, reason = "only described here: what it is depends on the action")]
enum TargetShape {
    Text(String),
    Collect(CollectTarget),
    Webhook(WebhookTarget),
}

/// Which digits the action collects.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IvrCollect)]
struct CollectTarget {
    /// Name under which the digits are kept.
    name: String,
    /// What callers hear before; if left out, the label of the key.
    #[serde(default)]
    prompt: Option<String>,
    /// Fewest digits that are accepted.
    min_digits: u32,
    /// Most digits that are accepted.
    max_digits: u32,
    /// Key that ends the input early.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1)]
    terminator: Option<char>,
    /// Whether the digits are secret: then nobody can read them.
    #[serde(default)]
    secret: bool,
    /// What happens after the digits were collected.
    #[serde(default)]
    #[schema(no_recursion)]
    then: Option<ActionShape>,
}

/// A system of yours that decides what happens next.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IvrWebhook)]
struct WebhookTarget {
    /// Address that the webhook is sent to.
    url: String,
    /// Longest time to wait for the answer, in milliseconds; 3000 by default.
    #[serde(default)]
    timeout_ms: Option<u64>,
    /// What happens when the webhook gets no valid answer.
    #[serde(default)]
    #[schema(no_recursion)]
    on_error: Option<ActionShape>,
}

impl From<&Action> for ActionShape {
    fn from(action: &Action) -> Self {
        let shape = |action: &Action| json!(ActionShape::from(action));
        let target = match action {
            Action::Submenu { menu } => Some(json!(menu.to_string())),
            Action::Say { text } => Some(json!(text)),
            Action::Agent { agent } => agent.map(|agent| json!(agent.to_string())),
            Action::Transfer { to } => Some(json!(to.shown(|to| to.as_str().to_owned()))),
            Action::Collect(collect) => {
                let mut target = json!({
                    "name": collect.name, "min_digits": collect.min_digits, "max_digits": collect.max_digits,
                    "terminator": collect.terminator, "secret": collect.secret, "then": shape(&collect.then),
                });
                if let Some(prompt) = &collect.prompt {
                    target["prompt"] = json!(prompt);
                }
                Some(target)
            }
            Action::Webhook(webhook) => Some(json!({
                "url": webhook.url, "timeout_ms": webhook.timeout_ms, "on_error": shape(&webhook.on_error),
            })),
            Action::Back | Action::Main | Action::Repeat | Action::Hangup => None,
        };
        Self { action: action.name().to_owned(), target }
    }
}

/// Collects the errors found while a menu is read.
#[derive(Debug, Default)]
pub struct Reading(pub Vec<FieldFault>);

impl Reading {
    fn fault(&mut self, field: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldFault { field: field.into(), detail: detail.into() });
    }

    /// The action; `field` is the path of the field it is in, for error messages.
    pub fn action(&mut self, shape: &ActionShape, field: &str) -> Action {
        self.read(&shape.action, shape.target.as_ref(), field, 0)
    }

    fn read(&mut self, word: &str, target: Option<&Value>, field: &str, depth: usize) -> Action {
        let at = format!("{field}.target");
        let target = target.filter(|target| !target.is_null());
        let text = target.and_then(Value::as_str);
        if depth > MAX_DEPTH {
            self.fault(at, "has too many actions one in another");
            return Action::Hangup;
        }
        let simple = match word {
            "back" => Some(Action::Back),
            "main" => Some(Action::Main),
            "repeat" => Some(Action::Repeat),
            "hangup" => Some(Action::Hangup),
            _ => None,
        };
        if let Some(action) = simple {
            if target.is_some() {
                self.fault(at, format!("{word} takes no target"));
            }
            return action;
        }
        match word {
            "submenu" => match text.and_then(|text| text.parse().ok()) {
                Some(menu) => return Action::Submenu { menu },
                None => self.fault(at, "must be the id of a menu"),
            },
            "say" => match text {
                Some(text) => return Action::Say { text: text.to_owned() },
                None => self.fault(at, "must be a text"),
            },
            "agent" => match (target, text.map(str::parse::<AgentId>)) {
                (None, _) => return Action::Agent { agent: None },
                (_, Some(Ok(agent))) => return Action::Agent { agent: Some(agent) },
                _ => self.fault(at, "must be the id of an agent, or nothing for your default agent"),
            },
            "transfer" => match text {
                Some(to) => return Action::Transfer { to: Personal::new(Party::new(to)) },
                None => self.fault(at, "must be a number in E.164 like +12025550123, or a SIP URI"),
            },
            "collect" => return self.collect(target, &at, depth),
            "webhook" => return self.webhook(target, &at, depth),
            _ => self.fault(
                format!("{field}.action"),
                "must be one of submenu, back, main, repeat, say, collect, agent, transfer, webhook, hangup",
            ),
        }
        Action::Hangup
    }

    fn inner(&mut self, shape: Option<&ActionShape>, field: &str, depth: usize) -> Action {
        shape
            .map_or(Action::Repeat, |shape| self.read(&shape.action, shape.target.as_ref(), field, depth + 1))
    }

    fn collect(&mut self, target: Option<&Value>, at: &str, depth: usize) -> Action {
        let target = target.cloned().unwrap_or_default();
        match serde_json::from_value::<CollectTarget>(target) {
            Ok(read) => Action::Collect(Box::new(Collect {
                then: self.inner(read.then.as_ref(), &format!("{at}.then"), depth),
                name: read.name,
                prompt: read.prompt,
                min_digits: read.min_digits,
                max_digits: read.max_digits,
                terminator: read.terminator,
                secret: read.secret,
            })),
            Err(error) => {
                self.fault(
                    at,
                    format!("must be {{name, min_digits, max_digits, terminator, secret, then}}: {error}"),
                );
                Action::Hangup
            }
        }
    }

    fn webhook(&mut self, target: Option<&Value>, at: &str, depth: usize) -> Action {
        let target = target.cloned().unwrap_or_default();
        match serde_json::from_value::<WebhookTarget>(target) {
            Ok(read) => Action::Webhook(Box::new(Webhook {
                on_error: self.inner(read.on_error.as_ref(), &format!("{at}.on_error"), depth),
                url: read.url,
                timeout_ms: read.timeout_ms.unwrap_or(WEBHOOK_TIMEOUT_MS),
            })),
            Err(error) => {
                self.fault(at, format!("must be {{url, timeout_ms, on_error}}: {error}"));
                Action::Hangup
            }
        }
    }

    pub fn items(&mut self, shapes: &[ItemShape]) -> Vec<Item> {
        let item = |(at, shape): (usize, &ItemShape)| Item {
            digit: shape.digit.clone(),
            label: shape.label.clone(),
            action: self.read(&shape.action, shape.target.as_ref(), &format!("items[{at}]"), 0),
        };
        shapes.iter().enumerate().map(item).collect()
    }

    fn windows(&mut self, shapes: &[WindowShape], field: &str) -> Vec<Window> {
        let mut windows = Vec::new();
        for shape in shapes {
            match (minutes(&shape.from), minutes(&shape.to)) {
                (Ok(from), Ok(to)) => windows.push(Window { from, to }),
                (Err(error), _) | (_, Err(error)) => self.fault(field, error.to_string()),
            }
        }
        windows
    }

    pub fn hours(&mut self, shape: &HoursShape) -> Hours {
        let week = &shape.weekly;
        let days = [
            ("mon", &week.mon),
            ("tue", &week.tue),
            ("wed", &week.wed),
            ("thu", &week.thu),
            ("fri", &week.fri),
            ("sat", &week.sat),
            ("sun", &week.sun),
        ];
        let weekly = days.map(|(day, windows)| self.windows(windows, &format!("hours.weekly.{day}")));
        let mut overrides = Vec::new();
        for (at, other) in shape.overrides.iter().enumerate() {
            let windows = self.windows(&other.windows, &format!("hours.overrides[{at}].windows"));
            match other.date.parse() {
                Ok(date) => overrides.push(Override { date, windows }),
                Err(_) => self.fault(format!("hours.overrides[{at}].date"), "must be a day like 2026-12-24"),
            }
        }
        let closed = self.action(&shape.closed, "hours.closed");
        Hours { timezone: shape.timezone.clone(), weekly, overrides, closed }
    }
}

impl From<&Item> for ItemShape {
    fn from(item: &Item) -> Self {
        let ActionShape { action, target } = (&item.action).into();
        Self { digit: item.digit.clone(), label: item.label.clone(), action, target }
    }
}

impl From<&Globals> for GlobalsShape {
    fn from(globals: &Globals) -> Self {
        let Globals { repeat, back, main, operator } = globals.clone();
        Self { repeat, back, main, operator }
    }
}

impl From<GlobalsShape> for Globals {
    fn from(shape: GlobalsShape) -> Self {
        let GlobalsShape { repeat, back, main, operator } = shape;
        Self { repeat, back, main, operator }
    }
}

impl From<&Hours> for HoursShape {
    fn from(hours: &Hours) -> Self {
        let shapes = |windows: &[Window]| {
            let shape = |w: &Window| WindowShape { from: time_of_day(w.from), to: time_of_day(w.to) };
            windows.iter().map(shape).collect::<Vec<_>>()
        };
        let [mon, tue, wed, thu, fri, sat, sun] =
            [0, 1, 2, 3, 4, 5, 6].map(|day: usize| shapes(&hours.weekly[day]));
        let different = |other: &Override| OverrideShape {
            date: other.date.to_string(),
            windows: shapes(&other.windows),
        };
        Self {
            timezone: hours.timezone.clone(),
            weekly: WeekShape { mon, tue, wed, thu, fri, sat, sun },
            overrides: hours.overrides.iter().map(different).collect(),
            closed: (&hours.closed).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> (Action, Vec<String>) {
        let shape: ActionShape = serde_json::from_value(value).unwrap();
        let mut reading = Reading::default();
        let action = reading.action(&shape, "a");
        (action, reading.0.into_iter().map(|fault| fault.field).collect())
    }

    #[test]
    fn every_action_reads_as_it_is_written() {
        let menu = domain::ids::MenuId(uuid::Uuid::from_u128(7)).to_string();
        let agent = AgentId(uuid::Uuid::from_u128(8)).to_string();
        for value in [
            json!({"action": "submenu", "target": menu}),
            json!({"action": "back"}),
            json!({"action": "main"}),
            json!({"action": "repeat"}),
            json!({"action": "say", "target": "hello"}),
            json!({"action": "agent"}),
            json!({"action": "agent", "target": agent}),
            json!({"action": "transfer", "target": "+12025550123"}),
            json!({"action": "hangup"}),
            json!({"action": "collect", "target": {"name": "pin", "prompt": "Pin?", "min_digits": 4, "max_digits": 8,
                "terminator": "#", "secret": true, "then": {"action": "webhook", "target": {
                "url": "https://example.test/", "timeout_ms": 500, "on_error": {"action": "back"}}}}}),
        ] {
            let (action, faults) = read(value.clone());
            assert_eq!(faults, [] as [&str; 0], "{value}");
            assert_eq!(json!(ActionShape::from(&action)), value);
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        for (value, field) in [
            (json!({"action": "dance"}), "a.action"),
            (json!({"action": "submenu"}), "a.target"),
            (json!({"action": "submenu", "target": "ivrm_nonsense"}), "a.target"),
            (json!({"action": "back", "target": "x"}), "a.target"),
            (json!({"action": "say", "target": 7}), "a.target"),
            (json!({"action": "collect", "target": {"name": "x"}}), "a.target"),
            (
                json!({"action": "webhook", "target": {"url": "x", "on_error": {"action": "dance"}}}),
                "a.target.on_error.action",
            ),
        ] {
            assert_eq!(read(value.clone()).1, [field], "{value}");
        }
    }
}
