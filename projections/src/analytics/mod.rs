//! Analytics: figures over a period, computed from the sums that the views keep.

mod figures;
mod menu;
mod overview;
mod queries;
mod series;

pub use menu::{ChoiceCount, MenuFigures, OutcomeCount};
pub use overview::{
    CallFigures, ConversationFigures, DurationFigures, EndReasonCount, IvrFigures, LatencyFigures, Overview,
    OverviewTallies, WebhookFigures,
};
pub use queries::{AnalyticsQueries, MOST_ROLLUPS, Period, Range, Wanted};
pub use series::{Grouping, Metric, Point, Series};
