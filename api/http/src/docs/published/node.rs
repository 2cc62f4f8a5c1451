//! Traverses and edits the document as JSON.

use std::collections::BTreeSet;

use serde_json::Value;

const METHODS: [&str; 6] = ["get", "put", "post", "delete", "patch", "head"];

/// Visits every object of a document.
pub(super) fn walk<'v>(node: &'v Value, see: &mut impl FnMut(&'v Value)) {
    match node {
        Value::Object(fields) => {
            see(node);
            fields.values().for_each(|field| walk(field, see));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, see)),
        _ => {}
    }
}

/// Visits every object of a document and may change it.
pub(super) fn change(node: &mut Value, how: &mut impl FnMut(&mut Value)) {
    if node.is_object() {
        how(node);
    }
    match node {
        Value::Object(fields) => fields.values_mut().for_each(|field| change(field, how)),
        Value::Array(items) => items.iter_mut().for_each(|item| change(item, how)),
        _ => {}
    }
}

/// Iterates over all operations with path and method.
#[cfg(test)]
pub(super) fn operations(paths: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let items = paths.as_object().into_iter().flatten();
    items.flat_map(|(path, item)| {
        let operations = item.as_object().into_iter().flatten();
        let known = operations.filter(|(method, _)| METHODS.contains(&method.as_str()));
        known.map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// Iterates over all operations with path and method, to change them.
pub(super) fn operations_mut(paths: &mut Value) -> impl Iterator<Item = (&str, &str, &mut Value)> {
    let items = paths.as_object_mut().into_iter().flatten();
    items.flat_map(|(path, item)| {
        let operations = item.as_object_mut().into_iter().flatten();
        let known = operations.filter(|(method, _)| METHODS.contains(&method.as_str()));
        known.map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

/// Name of the schema that a reference points to.
pub(super) fn schema_name(node: &Value) -> Option<&str> {
    node["$ref"].as_str()?.strip_prefix("#/components/schemas/")
}

/// A reference to a schema.
pub(super) fn reference(name: &str) -> Value {
    serde_json::json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Removes schemas that nothing refers to.
pub(super) fn drop_unused(document: &mut Value) {
    let mut used = BTreeSet::new();
    let mut new: Vec<String> = Vec::new();
    let mut look = |node: &Value, new: &mut Vec<String>| {
        walk(node, &mut |node| {
            if let Some(name) = schema_name(node)
                && used.insert(name.to_owned())
            {
                new.push(name.to_owned());
            }
        });
    };
    look(&document["paths"], &mut new);
    look(&document["webhooks"], &mut new);
    look(&document["components"]["responses"], &mut new);
    while let Some(name) = new.pop() {
        look(&document["components"]["schemas"][&name], &mut new);
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.retain(|name, _| used.contains(name));
    }
}
