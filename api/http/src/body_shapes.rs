//! Checks a JSON body against its schema before serde reads it.
//!
//! Serde accepts an array for an object, field by field in their order of declaration, keeps the last of two equal
//! keys, and rounds numbers that are too large. So the body is first compared with its schema in the OpenAPI
//! document: an array and `null` only where the document allows one, each key once, and no number that would
//! change. (Serde takes `null` for a field that was left out: a PATCH would answer 200 and change nothing.)

use std::collections::{HashMap, HashSet};
use std::fmt;

use actix_web::{HttpRequest, web};
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use utoipa::openapi::OpenApi;

use super::json_body::json_fault;
use crate::problem::ApiError;

/// Most references and choices to follow in a row; the document has no longer chain.
const MOST_STEPS: usize = 32;
/// 2^63, from which on (of either sign) a number would be rounded.
const TOO_LARGE: f64 = 9_223_372_036_854_775_808.0;

/// Schemas of all request bodies, as app data.
#[derive(Debug)]
pub struct BodyShapes {
    document: Value,
    /// Schema of the body, by method and path template.
    bodies: HashMap<(String, String), Value>,
}

impl BodyShapes {
    /// Collects the schemas of the document's request bodies.
    #[must_use]
    pub fn of(document: &OpenApi) -> Self {
        let document = serde_json::to_value(document).unwrap_or_default();
        let mut bodies = HashMap::new();
        for (path, operations) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in operations.as_object().into_iter().flatten() {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                if !schema.is_null() {
                    bodies.insert((method.to_uppercase(), path.clone()), schema.clone());
                }
            }
        }
        Self { document, bodies }
    }

    /// Schema of the request's body; `None` when the document has none, which allows any body.
    fn schema(&self, request: &HttpRequest) -> Option<&Value> {
        let pattern = request.match_pattern()?;
        self.bodies.get(&(request.method().as_str().to_owned(), pattern))
    }

    /// Collects the schemas that a place allows, with references and choices resolved.
    fn follow<'s>(&'s self, schema: &'s Value, into: &mut Vec<&'s Value>, steps: usize) {
        if steps > MOST_STEPS {
            return;
        }
        if let Some(name) = schema["$ref"].as_str() {
            let found = self.document.pointer(name.trim_start_matches('#'));
            return found.into_iter().for_each(|found| self.follow(found, into, steps + 1));
        }
        let choices = ["oneOf", "anyOf", "allOf"].map(|of| schema[of].as_array());
        if choices.iter().all(Option::is_none) {
            return into.push(schema);
        }
        for choice in choices.into_iter().flatten().flatten() {
            self.follow(choice, into, steps + 1);
        }
        if !schema["properties"].is_null() {
            into.push(schema);
        }
    }
}

/// Checks a body as sent. Answers 400 when it is not JSON; 422 with the place when an array or `null` stands where
/// the document has none, when a key occurs twice, or when a number is too large.
pub(super) fn check(request: &HttpRequest, body: &[u8]) -> Result<(), ApiError> {
    let shapes = request.app_data::<web::Data<BodyShapes>>();
    let schema = shapes.and_then(|shapes| Some((shapes.get_ref(), shapes.schema(request)?)));
    check_by(schema, body)
}

fn check_by(schema: Option<(&BodyShapes, &Value)>, body: &[u8]) -> Result<(), ApiError> {
    let mut fault = None;
    let place = match schema {
        Some((shapes, schema)) => SchemaCursor::of(shapes, [schema]),
        None => SchemaCursor { shapes: None, may_be: Vec::new() },
    };
    let mut json = serde_json::Deserializer::from_slice(body);
    let looked = Look { place, path: &mut String::new(), fault: &mut fault }.deserialize(&mut json);
    match (looked, fault) {
        (Err(_), Some(fault)) => Err(fault),
        (Err(error), None) => Err(json_fault("", &error)),
        (Ok(()), _) => json.end().map_err(|error| json_fault("", &error)),
    }
}

/// The reader's place in the document, with the schemas allowed there. Below an undescribed
/// place anything is allowed.
struct SchemaCursor<'s> {
    shapes: Option<&'s BodyShapes>,
    may_be: Vec<&'s Value>,
}

impl<'s> SchemaCursor<'s> {
    fn of(shapes: &'s BodyShapes, schemas: impl IntoIterator<Item = &'s Value>) -> Self {
        let mut may_be = Vec::new();
        schemas.into_iter().for_each(|schema| shapes.follow(schema, &mut may_be, 0));
        let anything = may_be.is_empty() || may_be.iter().any(|schema| is_anything(schema));
        match anything {
            true => Self { shapes: None, may_be: Vec::new() },
            false => Self { shapes: Some(shapes), may_be },
        }
    }

    fn may_be_array(&self) -> bool {
        self.shapes.is_none() || self.may_be.iter().any(|schema| is_type(schema, "array"))
    }

    fn may_be_null(&self) -> bool {
        self.shapes.is_none() || self.may_be.iter().any(|schema| is_type(schema, "null"))
    }

    fn items(&self) -> Self {
        self.below(|schema| Some(&schema["items"]))
    }

    fn property(&self, name: &str) -> Self {
        self.below(|schema| schema["properties"].get(name).or_else(|| schema.get("additionalProperties")))
    }

    fn below(&self, get: impl Fn(&'s Value) -> Option<&'s Value>) -> Self {
        match self.shapes {
            Some(shapes) => Self::of(shapes, self.may_be.iter().filter_map(|schema| get(schema))),
            None => Self { shapes: None, may_be: Vec::new() },
        }
    }
}

fn is_type(schema: &Value, name: &str) -> bool {
    match &schema["type"] {
        Value::String(kind) => kind == name,
        Value::Array(kinds) => kinds.iter().any(|kind| kind == name),
        _ => false,
    }
}

/// Whether the schema does not restrict the type of the value.
fn is_anything(schema: &Value) -> bool {
    schema["type"].is_null() && schema["properties"].is_null() && schema["enum"].is_null()
}

struct Look<'a, 's> {
    place: SchemaCursor<'s>,
    path: &'a mut String,
    fault: &'a mut Option<ApiError>,
}

impl Look<'_, '_> {
    fn refuse<E: serde::de::Error>(self, code: &'static str, text: &'static str) -> E {
        let field = if self.path.is_empty() { "body" } else { self.path.as_str() };
        *self.fault = Some(ApiError::invalid(field.to_owned(), code, text));
        E::custom(text)
    }
}

impl<'de> DeserializeSeed<'de> for Look<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        match number.abs() < TOO_LARGE {
            true => Ok(()),
            false => {
                Err(self.refuse("too_large", "a number beyond 2^63 would not be kept as it is: send a text"))
            }
        }
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        match self.place.may_be_null() {
            true => Ok(()),
            false => Err(self.refuse("invalid", "must not be null: leave the field out, or give a value")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if !self.place.may_be_array() {
            return Err(self.refuse("invalid", "an array stands where none is expected"));
        }
        let Look { place, path, fault } = self;
        let (end, mut n) = (path.len(), 0);
        loop {
            path.push_str(&format!("[{n}]"));
            let more = items.next_element_seed(Look {
                place: place.items(),
                path: &mut *path,
                fault: &mut *fault,
            })?;
            path.truncate(end);
            if more.is_none() {
                return Ok(());
            }
            n += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let Look { place, path, fault } = self;
        let (end, mut seen) = (path.len(), HashSet::new());
        while let Some(name) = fields.next_key::<String>()? {
            if end > 0 {
                path.push('.');
            }
            path.push_str(&name);
            let look = Look { place: place.property(&name), path: &mut *path, fault: &mut *fault };
            if !seen.insert(name) {
                return Err(look.refuse("duplicate_field", "this field is given twice"));
            }
            fields.next_value_seed(look)?;
            path.truncate(end);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docs::document;

    fn fault(method: &str, path: &str, body: &str) -> Option<String> {
        let shapes = BodyShapes::of(&document());
        let schema =
            shapes.bodies.get(&(method.to_owned(), path.to_owned())).expect("an operation with a body");
        let error = check_by(Some((&shapes, schema)), body.as_bytes()).err()?;
        Some(error.detail().split('`').nth(1).unwrap_or(error.detail()).to_owned())
    }

    #[test]
    fn an_array_stands_only_where_the_document_has_one() {
        let invalid = |field: &str| Some(field.to_owned());
        assert_eq!(fault("POST", "/api/v1/calls", r#"["+12025550161", null]"#), invalid("body"));
        assert_eq!(fault("POST", "/api/v1/auth/login", r#"["a@example.com", "password"]"#), invalid("body"));
        let route = r#"{"number": "+12025550123", "route": ["agent", null]}"#;
        assert_eq!(fault("POST", "/api/v1/numbers", route), invalid("route"));
        let hook = r#"{"url": "https://example.com", "events": ["call.*", ["x"]]}"#;
        assert_eq!(fault("POST", "/api/v1/webhooks", hook), invalid("events[1]"));
        for (path, body) in [
            ("/api/v1/webhooks", r#"{"url": "https://example.com", "events": ["call.*"]}"#),
            ("/api/v1/calls", r#"{"to": "+12025550161", "metadata": {"any": [1, [2]]}}"#),
            ("/api/v1/auth/api-keys", r#"{"name": "k", "scopes": ["*"]}"#),
        ] {
            assert_eq!(fault("POST", path, body), None, "{path}");
        }
    }

    #[test]
    fn a_key_stands_once_at_every_depth_and_a_number_is_kept() {
        let call = |metadata: &str| {
            fault("POST", "/api/v1/calls", &format!(r#"{{"to": "+12025550161", "metadata": {metadata}}}"#))
        };
        assert_eq!(call(r#"{"a": {"b": 1, "b": 2}}"#).as_deref(), Some("metadata.a.b"));
        assert_eq!(call(r#"{"a": 18446744073709551616}"#).as_deref(), Some("metadata.a"));
        assert_eq!(call(r#"{"a": [-1e300]}"#).as_deref(), Some("metadata.a[0]"));
        assert_eq!(call(r#"{"a": 18446744073709551615, "b": -9223372036854775808, "c": 0.1}"#), None);
    }

    #[test]
    fn null_stands_only_where_the_document_says_what_it_means() {
        let invalid = |field: &str| Some(field.to_owned());
        let hook = |body| fault("PATCH", "/api/v1/webhooks/{id}", body);
        assert_eq!(hook(r#"{"url": null}"#), invalid("url"));
        assert_eq!(hook(r#"{"ordering": null}"#), invalid("ordering"));
        assert_eq!(hook(r#"{"events": ["call.*", null]}"#), invalid("events[1]"));
        assert_eq!(hook(r#"{"description": null, "rate_limit_per_second": null}"#), None);
        assert_eq!(fault("POST", "/api/v1/calls", r#"{"to": null}"#), invalid("to"));
        assert_eq!(fault("POST", "/api/v1/calls", "null"), invalid("body"));
        let metadata = r#"{"to": "+12025550161", "from": null, "metadata": {"a": null}}"#;
        assert_eq!(fault("POST", "/api/v1/calls", metadata), None);
    }

    #[test]
    fn where_a_patch_takes_null_its_description_says_what_it_means() {
        let shapes = BodyShapes::of(&document());
        for ((method, path), schema) in &shapes.bodies {
            let mut found = Vec::new();
            shapes.follow(schema, &mut found, 0);
            for (name, property) in
                found.iter().filter_map(|schema| schema["properties"].as_object()).flatten()
            {
                let takes_null = SchemaCursor::of(&shapes, [property]).may_be_null();
                let described = property.to_string().contains("`null`");
                assert!(method != "PATCH" || !takes_null || described, "PATCH {path}: {name}");
            }
        }
    }

    #[test]
    fn every_body_of_the_document_is_described() {
        let shapes = BodyShapes::of(&document());
        assert!(shapes.bodies.len() > 30);
        for (operation, schema) in &shapes.bodies {
            let place = SchemaCursor::of(&shapes, [schema]);
            assert!(place.shapes.is_some() && !place.may_be_array(), "{operation:?}");
        }
    }
}
