//! Tests that valid values pass, and that hostile schemas and values cost little.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Schemas;
use super::check::Misfit;
use super::rules::Schema;
use domain::ports::tools::SchemaFault;

fn fits(schema: &Value, value: &Value) -> bool {
    match Schema::compile(schema).unwrap_or_else(|fault| panic!("{schema}: {fault}")).check(value) {
        Ok(()) => true,
        Err(Misfit::Faults(faults)) => {
            assert!(!faults.is_empty(), "{schema} {value}");
            false
        }
        Err(Misfit::Exhausted) => panic!("{schema} {value}: exhausted"),
    }
}

#[test]
fn every_keyword_means_what_json_schema_says() {
    let tree = json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "required": ["v"], "properties":
        {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/n"}}}}}});
    for (schema, good, bad) in [
        (json!(true), json!(1), None),
        (json!({"type": ["integer", "null"]}), json!(1.0), Some(json!(1.5))),
        (json!({"type": "number"}), json!(1), Some(json!("1"))),
        (json!({"enum": [1, {"a": [2]}]}), json!({"a": [2.0]}), Some(json!({"a": [3]}))),
        (json!({"const": null}), json!(null), Some(json!(0))),
        (json!({"multipleOf": 0.01}), json!(19.99), Some(json!(19.999))),
        (json!({"minimum": 3, "exclusiveMaximum": 5}), json!(3), Some(json!(5))),
        (json!({"minimum": 3, "exclusiveMinimum": true}), json!(4), Some(json!(3))),
        (json!({"minLength": 2, "maxLength": 2}), json!("éé"), Some(json!("é"))),
        (json!({"pattern": "^a"}), json!("ab"), Some(json!("ba"))),
        (json!({"minItems": 1, "maxItems": 2}), json!([1]), Some(json!([1, 2, 3]))),
        (json!({"uniqueItems": true}), json!([1, "1"]), Some(json!([{"a": 1}, {"a": 1.0}]))),
        (json!({"minProperties": 1, "maxProperties": 1}), json!({"a": 1}), Some(json!({}))),
        (json!({"required": ["a"]}), json!({"a": null}), Some(json!({}))),
        (json!({"dependentRequired": {"a": ["b"]}}), json!({"b": 1}), Some(json!({"a": 1}))),
        (
            json!({"dependentSchemas": {"a": {"maxProperties": 1}}}),
            json!({"a": 1}),
            Some(json!({"a": 1, "b": 1})),
        ),
        (json!({"dependencies": {"a": ["b"], "c": false}}), json!({"a": 1, "b": 1}), Some(json!({"c": 1}))),
        (
            json!({"properties": {"a": {"type": "null"}}, "patternProperties": {"^x": {"type": "string"}},
                "additionalProperties": false}),
            json!({"a": null, "x1": ""}),
            Some(json!({"b": 1})),
        ),
        (json!({"propertyNames": {"maxLength": 1}}), json!({"a": 1}), Some(json!({"ab": 1}))),
        (json!({"items": {"type": "null"}}), json!([null]), Some(json!([1]))),
        (json!({"prefixItems": [{"type": "null"}], "items": false}), json!([null]), Some(json!([null, 1]))),
        (json!({"items": [{"type": "null"}], "additionalItems": false}), json!([]), Some(json!([null, 1]))),
        (json!({"contains": {"const": 1}, "maxContains": 1}), json!([1, 2]), Some(json!([1, 1]))),
        (json!({"allOf": [{"minimum": 1}, {"maximum": 2}]}), json!(1), Some(json!(3))),
        (json!({"anyOf": [{"minimum": 5}, {"maximum": 2}]}), json!(1), Some(json!(3))),
        (json!({"oneOf": [{"minimum": 1}, {"maximum": 2}]}), json!(0), Some(json!(2))),
        (json!({"not": {"type": "null"}}), json!(1), Some(json!(null))),
        (
            json!({"if": {"minimum": 5}, "then": {"maximum": 6}, "else": {"minimum": 1}}),
            json!(6),
            Some(json!(7)),
        ),
        (json!({"$ref": "#p", "$defs": {"x": {"$anchor": "p", "minimum": 1}}}), json!(1), Some(json!(0))),
        (
            json!({"$id": "https://e.com/s", "$ref": "https://e.com/s#/$defs/a~1b", "$defs": {"a/b": {"minimum": 1}}}),
            json!(1),
            Some(json!(0)),
        ),
        (
            tree,
            json!({"v": 1, "kids": [{"v": 2, "kids": []}]}),
            Some(json!({"v": 1, "kids": [{"kids": []}]})),
        ),
        (json!({"format": "email", "title": "T", "examples": [1]}), json!("anything"), None),
    ] {
        assert!(fits(&schema, &good), "{schema} {good}");
        if let Some(bad) = bad {
            assert!(!fits(&schema, &bad), "{schema} {bad}");
        }
    }
}

#[test]
fn what_is_no_schema_is_refused_by_the_place_at_fault_and_nothing_is_fetched() {
    for (bad, word) in [
        (json!(7), "object, true or false"),
        (json!({"type": "objekt"}), "type"),
        (json!({"properties": {"a": {"properties": 7}}}), "/properties/a: properties"),
        (json!({"required": "n"}), "required"),
        (json!({"anyOf": []}), "anyOf"),
        (json!({"$ref": "https://example.com/schema.json"}), "nothing is fetched"),
        (json!({"$ref": "file:///etc/passwd"}), "nothing is fetched"),
        (json!({"$ref": "other.json#/a"}), "nothing is fetched"),
        (json!({"$id": "http://127.0.0.1/", "$ref": "x"}), "nothing is fetched"),
        (json!({"$ref": "#/nowhere"}), "points at nothing"),
        (json!({"$schema": "http://127.0.0.1:1/meta"}), "$schema"),
        (json!({"properties": {"n": {"pattern": "("}}}), "/properties/n: pattern"),
        (json!({"$dynamicRef": "#a", "$dynamicAnchor": "a"}), "not supported"),
        (json!({"$recursiveRef": "#"}), "not supported"),
        (json!({"$defs": {"a": {"type": 1}}}), "/$defs/a"),
        (json!({"$ref": "#"}), "refers to itself"),
        (json!({"anyOf": [{"$ref": "#/anyOf/1"}, {"not": {"$ref": "#"}}]}), "refers to itself"),
    ] {
        let fault = Schema::compile(&bad).unwrap_err();
        assert!(fault.contains(word), "{bad}: {fault}");
    }
}

/// A schema of `n` definitions, each of which refers twice to the next.
fn doubling(n: usize, keyword: &str, last: &Value) -> Value {
    let mut defs = serde_json::Map::new();
    for i in 0..n {
        let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
        defs.insert(format!("d{i}"), json!({keyword: [next, next]}));
    }
    defs.insert(format!("d{n}"), last.clone());
    json!({"$ref": "#/$defs/d0", "$defs": defs})
}

#[test]
fn references_that_multiply_are_refused_before_anything_is_expanded() {
    for keyword in ["anyOf", "oneOf", "allOf"] {
        let fault = Schema::compile(&doubling(20, keyword, &json!({"type": "string"}))).unwrap_err();
        assert!(fault.contains("more than 10000 times"), "{fault}");
        assert!(fits(&doubling(8, keyword, &json!(true)), &json!(1)) == (keyword != "oneOf"), "{keyword}");
    }
    let mut chain = String::from(r##"{"$ref":"#/$defs/d0","$defs":{"##);
    for i in 0..300 {
        write!(chain, r##""d{i}":{{"$ref":"#/$defs/d{}"}},"##, i + 1).unwrap();
    }
    chain.push_str(r#""d300":true}}"#);
    let fault = Schema::compile(&serde_json::from_str(&chain).unwrap()).unwrap_err();
    assert!(fault.contains("within each other"), "{fault}");
}

#[test]
fn a_recursive_schema_and_a_deep_value_cannot_take_long() {
    // each level is examined twice as often as the one above it
    let kid = json!({"properties": {"c": {"$ref": "#"}}});
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let schema = Schema::compile(&json!({keyword: [kid, kid], "required": ["x"]})).unwrap();
        let value = (0..60).fold(json!(1), |value, _| json!({"c": value}));
        let value = json!({"x": 1, "c": value});
        assert!(schema.check(&value).is_err(), "{keyword}");
    }
    let all = Schema::compile(&json!({"allOf": [kid, kid]})).unwrap();
    let value = (0..60).fold(json!(1), |value, _| json!({"c": value}));
    assert_eq!(all.check(&value), Err(Misfit::Exhausted));
}

#[test]
fn large_values_meet_patterns_enums_and_unique_items_within_the_budget() {
    let words: Vec<String> = (0..1_500).map(|n| format!("word{n}")).collect();
    let list = json!((0..5_000).map(|n| n % 4_999).collect::<Vec<_>>());
    let text = json!("a".repeat(60_000));
    let names: Value =
        (0..3_000).map(|n| (format!("aaaaaaaaaaaa{n}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    for (schema, value) in [
        (json!({"items": {"enum": words}}), json!(vec!["word1499"; 5_000])),
        (json!({"uniqueItems": true}), list),
        (json!({"pattern": "^(a|aa|[a-z]{1,9}){1,20}$"}), text),
        (json!({"patternProperties": {"^(a+)+$": true, "^(a|a)*b$": true, "a{1,50}c": true}}), names),
    ] {
        // however many faults there are, the answer comes soon: a step takes some fifty nanoseconds
        let _ = Schema::compile(&schema).unwrap().check(&value);
    }
}

#[test]
fn faults_are_told_with_their_place() {
    let schema =
        Schema::compile(&json!({"properties": {"n": {"type": "integer"}, "l": {"items": {"maximum": 3}}},
        "required": ["m"]}));
    let faults = schema.unwrap().check(&json!({"n": "x", "l": [1, 4]})).unwrap_err();
    let Misfit::Faults(faults) = faults else { panic!() };
    assert_eq!(faults.len(), 3, "{faults:?}");
    for (place, fault) in ["m is required", "/l/1", "/n"].iter().zip(&faults) {
        assert!(fault.starts_with(place), "{fault}");
    }
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_refused_with_words_the_model_understands() {
    let schemas = Schemas::default();
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    assert_eq!(schemas.arguments(&schema, r#"{"n": 7}"#).await, Ok(json!({"n": 7})));
    let deep = format!("{{\"n\":{}{}}}", "[".repeat(90), "]".repeat(90));
    let long = format!("{{\"n\":\"{}\"}}", "x".repeat(70_000));
    for (text, word) in [
        ("{\"n\":", "not JSON"),
        ("[7]", "not an object"),
        ("{}", "required"),
        (r#"{"n":"x"}"#, "/n"),
        (&deep, "deeper"),
        (&long, "longer"),
    ] {
        let fault = schemas.arguments(&schema, text).await.unwrap_err();
        assert!(fault.contains(word), "{fault}");
    }
}

#[tokio::test]
async fn schemas_are_kept_by_the_bytes_they_hold() {
    let schemas = Schemas::default();
    for n in 0..400 {
        let names: serde_json::Map<_, _> =
            (0..300).map(|m| (format!("name{m}"), json!({"minimum": n}))).collect();
        schemas.check_schema(&json!({"properties": names})).await.unwrap();
    }
    let (kept, bytes) = schemas.kept();
    assert!((50..400).contains(&kept) && bytes <= 16 << 20, "{kept} {bytes}");
}

#[tokio::test]
async fn size_comes_first() {
    let schemas = Schemas::default();
    let deep = (0..80).fold(json!(true), |schema, _| json!({"not": schema}));
    for (schema, word) in
        [(json!({"enum": vec!["x"; 10_000]}), "longer than 16 KiB"), (deep, "deeper than 64")]
    {
        match schemas.check_schema(&schema).await {
            Err(SchemaFault::Invalid(fault)) => assert!(fault.contains(word), "{fault}"),
            other => panic!("{other:?}"),
        }
    }
}
