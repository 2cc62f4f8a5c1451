//! The figures of an IVR menu: where callers go on, and where they stop.

use domain::envelope::Time;
use domain::ids::MenuId;
use serde::Serialize;
use utoipa::ToSchema;

use super::figures::{count, together};
use super::queries::Period;
use crate::ivr_menus::MenuView;
use crate::rollup::Rollup;

/// What callers did in an IVR menu over a period.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = AnalyticsMenu)]
pub struct MenuFigures {
    /// Id of the menu: TypeID `ivrm_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub menu_id: MenuId,
    /// Begin of the period, at a full hour.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub from: Time,
    /// End of the period, at a full hour; not included.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub to: Time,
    /// How often callers entered the menu.
    pub entries: u64,
    /// How often each option was chosen: the menu's present options in their order, then those of earlier versions.
    pub choices: Vec<ChoiceCount>,
    /// How often a wrong key was pressed.
    pub invalid: u64,
    /// How often callers pressed no key in time.
    pub timeouts: u64,
    /// Callers who hung up in the menu.
    pub abandoned: u64,
    /// Sessions that ended in the menu, by the action they ended with.
    pub outcomes: Vec<OutcomeCount>,
}

/// How often an option of a menu was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AnalyticsChoice)]
pub struct ChoiceCount {
    /// Keys that choose the option.
    pub digit: String,
    /// Label of the option; `null` when the menu does not have it any more.
    #[schema(required)]
    pub label: Option<String>,
    /// What the option does; `null` when the menu does not have it any more.
    #[schema(value_type = Option<crate::words::IvrActionType>, required)]
    pub action: Option<String>,
    /// How often the option was chosen.
    pub count: u64,
}

/// How often sessions ended with one action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AnalyticsOutcome)]
pub struct OutcomeCount {
    /// Action that ended the sessions.
    pub action: String,
    /// Number of sessions that ended so.
    pub count: u64,
}

impl MenuFigures {
    /// Computes the figures of a menu from its sums over a period.
    #[must_use]
    pub fn of(period: Period, menu: &MenuView, rollups: &[Rollup]) -> Self {
        let counts = together(rollups);
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
