//! The IVR menus of the simulation: a clinic's, three levels deep, with a front desk that has opening hours.

use serde_json::{Value, json};

use super::node::{NodeApi, Refused};
use super::plan::DESK;

/// Name of the first menu, by which a later run finds it.
const NAME: &str = "Riverside Clinic";

/// Creates the menus, unless they exist from an earlier simulation. Answers the id of the first one.
pub async fn open(node: &NodeApi) -> Result<String, Refused> {
    if let Some(id) = node.menu_named(NAME).await? {
        return Ok(id);
    }
    let day = json!({"name": "day", "prompt": "Key in the day of the month, then press hash.", "min_digits": 1,
        "max_digits": 2, "terminator": "#", "then": {"action": "hangup"}});
    let doctors = menu(
        "Doctors",
        "For Doctor Reyes, press 1. For Doctor Lindqvist, press 2. To go back, press 9.",
        [
            item("1", "Doctor Reyes", "collect", day.clone()),
            item("2", "Doctor Lindqvist", "collect", day),
            item("9", "Back", "back", Value::Null),
        ],
    );
    let doctors = node.make_menu(&doctors).await?;
    let pin = json!({"name": "pin", "prompt": "Key in your four digit pin.", "min_digits": 4, "max_digits": 4,
        "secret": true, "then": {"action": "hangup"}});
    let appointments = menu(
        "Appointments",
        "For a new appointment, press 1. To cancel one, press 2. To go back, press 9.",
        [
            item("1", "New appointment", "submenu", json!(doctors)),
            item("2", "Cancel an appointment", "collect", pin),
            item("9", "Back", "back", Value::Null),
        ],
    );
    let appointments = node.make_menu(&appointments).await?;
    let mut desk = menu(
        "Front desk",
        "To speak to the front desk, press 1. To go back, press 9.",
        [item("1", "Front desk", "transfer", json!(DESK)), item("9", "Back", "back", Value::Null)],
    );
    let hours = [json!({"from": "08:00", "to": "18:00"})];
    desk["hours"] = json!({
        "timezone": "America/Los_Angeles",
        "weekly": {"mon": hours, "tue": hours, "wed": hours, "thu": hours, "fri": hours},
        "overrides": [{"date": "2026-12-24", "windows": [{"from": "08:00", "to": "12:00"}]}, {"date": "2026-12-25"}],
        "closed": {"action": "say", "target": "The front desk is closed now. Please call again on a weekday."},
    });
    let desk = node.make_menu(&desk).await?;
    let patient = json!({"name": "patient", "prompt": "Key in your patient number, then press hash.", "min_digits": 4,
        "max_digits": 8, "terminator": "#",
        "then": {"action": "say", "target": "Your prescription will be ready tomorrow."}});
    let mut main = menu(
        NAME,
        "Welcome to Riverside Clinic. For appointments, press 1. For prescriptions, press 2. For our address, press \
        3. For the front desk, press 0.",
        [
            item("1", "Appointments", "submenu", json!(appointments)),
            item("2", "Prescriptions", "collect", patient),
            item("3", "Address", "say", json!("We are at 12 Mill Lane.")),
            item("0", "Front desk", "submenu", json!(desk)),
        ],
    );
    main["short_prompt"] = json!("Appointments 1, prescriptions 2, address 3, front desk 0.");
    main["globals"] = json!({"repeat": "*"});
    node.make_menu(&main).await
}

fn menu<const N: usize>(name: &str, prompt: &str, items: [Value; N]) -> Value {
    json!({"name": name, "prompt": prompt, "items": items.to_vec(), "timeout_ms": 3_000,
        "on_exhausted": {"action": "say", "target": "Please call again. Goodbye."}})
}

fn item(digit: &str, label: &str, action: &str, target: Value) -> Value {
    json!({"digit": digit, "label": label, "action": action, "target": target})
}
