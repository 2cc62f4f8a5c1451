//! JSON Schemas, compiled once.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::Validator;
use lru::LruCache;
use serde_json::Value;

/// Schemas kept compiled.
const KEPT: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();
/// Faults that are told.
const TOLD: usize = 5;

/// Compiled schemas, by their text.
#[derive(Debug)]
pub(super) struct Schemas(Mutex<LruCache<String, Arc<Validator>>>);

impl Default for Schemas {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }
}

impl Schemas {
    /// The schema, compiled. What it refers to elsewhere is not fetched.
    pub(super) fn compiled(&self, schema: &Value) -> Result<Arc<Validator>, String> {
        let text = schema.to_string();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = kept.get(&text) {
            return Ok(compiled.clone());
        }
        jsonschema::meta::validate(schema).map_err(|error| short(&error.to_string()))?;
        let compiled = jsonschema::validator_for(schema).map_err(|error| short(&error.to_string()))?;
        let compiled = Arc::new(compiled);
        kept.put(text, compiled.clone());
        Ok(compiled)
    }

    /// The arguments, if they fit.
    pub(super) fn arguments(&self, schema: &Value, text: &str) -> Result<Value, String> {
        let arguments: Value = serde_json::from_str(text)
            .map_err(|error| format!("the arguments are not JSON ({error}): call again with valid JSON"))?;
        if !arguments.is_object() {
            return Err("the arguments are not an object".to_owned());
        }
        let faults: Vec<String> = self
            .compiled(schema)?
            .iter_errors(&arguments)
            .take(TOLD)
            .map(|error| short(&format!("{}: {error}", error.instance_path())))
            .collect();
        if faults.is_empty() {
            Ok(arguments)
        } else {
            Err(format!("the arguments do not fit the schema: {}", faults.join("; ")))
        }
    }
}

fn short(text: &str) -> String {
    text.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_schema_is_refused_and_nothing_is_fetched() {
        let schemas = Schemas::default();
        assert!(
            schemas.compiled(&json!({"type": "object", "properties": {"n": {"type": "integer"}}})).is_ok()
        );
        for bad in [
            json!({"type": "objekt"}),
            json!({"properties": 7}),
            json!({"required": "n"}),
            json!({"$ref": "https://example.com/schema.json"}),
            json!({"properties": {"n": {"pattern": "("}}}),
        ] {
            assert!(schemas.compiled(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn arguments_that_do_not_fit_are_refused_with_words_the_model_understands() {
        let schemas = Schemas::default();
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        assert_eq!(schemas.arguments(&schema, r#"{"n": 7}"#), Ok(json!({"n": 7})));
        for (text, word) in
            [("{\"n\":", "not JSON"), ("[7]", "not an object"), ("{}", "required"), (r#"{"n":"x"}"#, "/n")]
        {
            let fault = schemas.arguments(&schema, text).unwrap_err();
            assert!(fault.contains(word), "{text}: {fault}");
        }
    }
}
