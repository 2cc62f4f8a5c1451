//! The figures of a menu: where callers go on, and where they stop.

use domain::envelope::Time;
use domain::ids::MenuId;
use serde::Serialize;
use utoipa::ToSchema;

use super::figures::{count, together};
use super::queries::Period;
use crate::ivr_menus::MenuView;
use crate::tally::Tally;

/// What callers did in a menu.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AnalyticsMenu)]
pub struct MenuFigures {
    /// The menu.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub menu_id: MenuId,
    /// The period's beginning, at a full hour.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub from: Time,
    /// Its end, at a full hour.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub to: Time,
    /// How often it was entered.
    pub entries: u64,
    /// What was chosen: the options of the menu as it is now in their order, then those of earlier versions.
    pub choices: Vec<ChoiceCount>,
    /// Wrong entries.
    pub invalid: u64,
    /// Silences.
    pub timeouts: u64,
    /// Callers who hung up in it.
    pub abandoned: u64,
    /// Sessions that ended in it, by where they led.
    pub outcomes: Vec<OutcomeCount>,
}

/// How often an option was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AnalyticsChoice)]
pub struct ChoiceCount {
    /// Its keys.
    pub digit: String,
    /// Its label; `null` for one that the menu has no more.
    #[schema(required)]
    pub label: Option<String>,
    /// What it does; `null` for one that the menu has no more.
    #[schema(value_type = Option<crate::words::IvrActionType>, required)]
    pub action: Option<String>,
    /// How often.
    pub count: u64,
}

/// How often sessions ended in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AnalyticsOutcome)]
pub struct OutcomeCount {
    /// The action that ended them.
    pub action: String,
    /// How often.
    pub count: u64,
}

impl MenuFigures {
    /// The figures of a menu, from its sums over a period.
    #[must_use]
    pub fn of(period: Period, menu: &MenuView, tallies: &[Tally]) -> Self {
        let counts = together(tallies);
        let times = |digit: &str| count(&counts, &format!("choice:{digit}"));
        let mut choices: Vec<_> = menu
            .items
            .iter()
            .map(|item| ChoiceCount {
                digit: item.digit.clone(),
                label: Some(item.label.clone()),
                action: Some(item.action.clone()),
                count: times(&item.digit),
            })
            .collect();
        let earlier =
            counts.family("choice").filter(|(digit, _)| menu.items.iter().all(|item| item.digit != *digit));
        choices.extend(earlier.map(|(digit, _)| ChoiceCount {
            digit: digit.to_owned(),
            label: None,
            action: None,
            count: times(digit),
        }));
        let outcome = |(action, number): (&str, i64)| {
            Some(OutcomeCount { action: action.to_owned(), count: u64::try_from(number).ok()? })
        };
        Self {
            menu_id: menu.id,
            from: period.from(),
            to: period.to(),
            entries: count(&counts, "entries"),
            choices,
            invalid: count(&counts, "invalid"),
            timeouts: count(&counts, "timeouts"),
            abandoned: count(&counts, "ended:abandoned"),
            outcomes: counts.family("outcome").filter_map(outcome).collect(),
        }
    }
}
