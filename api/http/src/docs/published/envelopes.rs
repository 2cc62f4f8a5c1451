//! Makes envelopes refer to their data, and names them as a client's
//! author would: `CallResponse`, `CallListResponse`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::node::{change, reference};

/// Replaces copies of schemas by references.
pub(super) fn refer(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    let mut renamed = BTreeMap::new();
    let names: Vec<String> = schemas.keys().cloned().collect();
    for old in names {
        let Some((new, data)) = held(&old) else { continue };
        let Some(mut envelope) = schemas.remove(&old) else { continue };
        if let Some(description) = envelope["properties"]["data"].get("description").cloned()
            && data.get("$ref").is_none()
        {
            envelope["properties"]["data"] = data;
            envelope["properties"]["data"]["description"] = description;
        } else {
            envelope["properties"]["data"] = data;
        }
        renamed.insert(format!("#/components/schemas/{old}"), format!("#/components/schemas/{new}"));
        schemas.insert(new, envelope);
    }
    change(document, &mut |node| {
        let new = node["$ref"].as_str().and_then(|old| renamed.get(old));
        if let Some(new) = new.cloned() {
            node["$ref"] = Value::String(new);
        }
    });
}

/// Name of an envelope and schema of its data, from the name that utoipa gives it.
fn held(name: &str) -> Option<(String, Value)> {
    let list = |item: &str| json!({"type": "array", "items": reference(item)});
    if let Some(item) = name.strip_prefix("Enveloped_Vec_") {
        return Some((format!("{item}sResponse"), list(item)));
    }
    if let Some(item) = name.strip_prefix("Listed_") {
        // the subject of an event has no fixed type
        let item = item.trim_end_matches("_Value");
        return Some((format!("{item}ListResponse"), list(item)));
    }
    let item = name.strip_prefix("Enveloped_")?;
    Some((format!("{item}Response"), reference(item)))
}
