//! Tagged choices: gives each variant a schema of its own, and the choice a discriminator.

use serde_json::{Map, Value, json};

use super::node::reference;

/// Field that tells the variants of a choice apart.
const TELLS: &str = "type";

/// Moves the variants of every choice into schemas of their own.
pub(super) fn discriminate(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    let names: Vec<String> = schemas.keys().cloned().collect();
    for name in names {
        let Some(variants) = variants(&schemas[&name]) else { continue };
        let (mut choices, mut mapping) = (Vec::new(), Map::new());
        for (word, mut variant) in variants {
            let variant_name = format!("{name}{}", camel(&word));
            variant["properties"][TELLS] = json!({"type": "string", "const": word});
            // request bodies refuse unknown fields, so their variants do, too
            if name.starts_with("New") {
                variant["additionalProperties"] = json!(false);
            }
            choices.push(reference(&variant_name));
            mapping.insert(word, json!(format!("#/components/schemas/{variant_name}")));
            schemas.insert(variant_name, variant);
        }
        schemas[&name]["oneOf"] = Value::Array(choices);
        schemas[&name]["discriminator"] = json!({"propertyName": TELLS, "mapping": mapping});
    }
}

/// The variants of a choice by their tag; `None` when the schema is no tagged choice.
fn variants(schema: &Value) -> Option<Vec<(String, Value)>> {
    let word = |variant: &Value| {
        Some(variant["properties"][TELLS]["enum"].as_array()?.first()?.as_str()?.to_owned())
    };
    schema["oneOf"].as_array()?.iter().map(|variant| Some((word(variant)?, variant.clone()))).collect()
}

fn camel(word: &str) -> String {
    word.split('_')
        .filter(|part| !part.is_empty())
        .map(|part| part[..1].to_uppercase() + &part[1..])
        .collect()
}
