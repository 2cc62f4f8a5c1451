//! How the generic resource code reads numbers.

use super::super::paging::Filter;
use crate::auth::permissions::NumbersWrite;
use domain::envelope::Time;
use domain::ids::NumberId;
use domain::ids::{AgentId, MenuId};
use domain::number::Number;
use domain::number::NumberCommand;
use domain::origin::Origin;
use domain::phone::E164;
use projections::numbers::Numbers;

use super::super::recipe::{Delete, Recipe, Wording};
use super::super::resource::Resource;

use crate::auth::permissions::NumbersRead;

#[derive(Debug)]
pub(crate) struct NumberResource;

impl Resource for NumberResource {
    type Id = NumberId;
    type Rules = Number;
    type View = Numbers;
}

impl Recipe for NumberResource {
    type Read = NumbersRead;

    const WORDING: Wording = Wording {
        path: "/numbers",
        tag: "numbers",
        operation: "Number",
        one: "a number",
        noun: "number",
        many: "numbers",
        about_list: "",
    };

    fn filters() -> Vec<Filter> {
        vec![
            Filter::parsed("number", number).says("Only this number, in E.164"),
            Filter::id::<AgentId>("agent_id")
                .at("route.id")
                .says("Only numbers routed to this agent: `agt_…`"),
            Filter::id::<MenuId>("ivr_menu_id")
                .at("route.id")
                .says("Only numbers routed to this menu: `ivrm_…`"),
        ]
    }
}

impl Delete for NumberResource {
    type Write = NumbersWrite;

    const SUMMARY: &'static str = "Give up a number.";
    const ABOUT: &'static str = "Inbound calls to it are refused from then on.";

    fn command(_: Origin, now: Time) -> NumberCommand {
        NumberCommand::Remove { now }
    }
}

fn number(text: &str) -> Result<String, String> {
    text.parse::<E164>().map(|number| number.as_str().to_owned()).map_err(|error| error.to_string())
}
