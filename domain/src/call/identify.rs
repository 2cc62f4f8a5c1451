//! What a webhook tells of a leg that earlier ones did not.
//!
//! A call may begin with a webhook that names neither its parties nor its direction, or that overtook the one
//! about its beginning. Whatever comes first, the call ends up knowing the same.

use super::command::Routing;
use super::event::LegIdentified;
use super::handle_report::offers;
use super::report::{CarrierFact, CarrierReport, LegRef};
use super::state::Call;
use super::terms::Direction;

impl Call {
    /// The leg as known after `report`; `None` when the report adds nothing.
    pub(super) fn learned(&self, report: &CarrierReport, routing: Option<Routing>) -> Option<LegIdentified> {
        let mut leg = self.leg.clone()?;
        // the leg id stays what it was at first, even a control id used in its place: effect
        // ids derive from it
        let before = leg.clone();
        let LegRef { control_id, session_id, connection_id, .. } = report.leg.clone();
        leg.control_id = leg.control_id.or(control_id);
        leg.session_id = leg.session_id.or(session_id);
        leg.connection_id = leg.connection_id.or(connection_id);
        let news_of_leg = leg != before;
        let dialled = self.order.is_some();
        let (direction, appeared_at) = match &report.fact {
            CarrierFact::Initiated { direction } if !dialled => {
                (*direction, self.appeared_at.map(|known| known.min(report.occurred_at)))
            }
            _ => (self.direction?, self.appeared_at),
        };
        let to_news = self.to.is_none() && report.to.is_some();
        let from_news = self.from.is_none() && report.from.is_some();
        // the leg is ours once the carrier offers it to us, or once it carries our tag
        let foreign = self.foreign && report.tag.is_none() && !offers(report);
        let turned = self.direction != Some(direction);
        if !news_of_leg
            && !to_news
            && !from_news
            && !turned
            && self.appeared_at == appeared_at
            && self.foreign == foreign
        {
            return None;
        }
        let (number_id, route) = match routing {
            _ if direction == Direction::Outbound => (None, None),
            Some(found) if to_news || turned => (Some(found.number_id), Some(found.route)),
            _ => (self.number_id, self.route),
        };
        Some(LegIdentified {
            leg,
            direction,
            from: self.from.clone().or_else(|| report.from.clone().map(Into::into)),
            to: self.to.clone().or_else(|| report.to.clone().map(Into::into)),
            number_id,
            route,
            appeared_at,
            foreign,
            at: report.occurred_at,
        })
    }
}
