//! What a tenant gives to be interpreted costs the node little, whatever it is.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use tests::world::World;

/// `n` definitions, each of which refers twice to the next: 2ⁿ looks at one value.
fn doubling(n: usize, keyword: &str) -> Value {
    let mut defs = Map::new();
    for i in 0..n {
        let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
        defs.insert(format!("d{i}"), json!({keyword: [next, next]}));
    }
    defs.insert(format!("d{n}"), json!({"type": "string"}));
    json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": defs})
}

fn object(of: &Value) -> Value {
    json!({"type": "object", "properties": {"a": of}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_schema_is_refused_by_its_place_and_a_usual_one_is_taken() -> Result<()> {
    let world = World::start().await?;
    let create = async |schema: &Value| {
        let tool = json!({"name": "t", "description": "A tool", "url": "https://example.com/t", "parameters": schema});
        world.api.post("/api/v1/tools", tool).await
    };
    let before = world.node.server()?.resident_bytes()?;
    let patterns: Map<_, _> =
        (0..60).map(|n| (format!("p{n}"), json!({"pattern": format!("\\p{{L}}{{1,95}}{n}")}))).collect();
    for (hostile, word) in [
        (doubling(20, "anyOf"), "more than 10000 times"),
        (doubling(20, "oneOf"), "more than 10000 times"),
        (doubling(20, "allOf"), "more than 10000 times"),
        (json!({"type": "object", "properties": patterns}), "pattern"),
        (object(&json!({"pattern": "((a{99}){99}){99}"})), "pattern"),
        (object(&json!({"$ref": "http://127.0.0.1:1/schema.json"})), "nothing is fetched"),
        (object(&json!({"$ref": "file:///etc/passwd"})), "nothing is fetched"),
        (object(&json!({"$ref": "#/properties/a"})), "refers to itself"),
        (object(&json!({"$dynamicRef": "#x"})), "not supported"),
        (object(&json!({"enum": vec!["x".repeat(100); 200]})), "16 KiB"),
        (object(&json!({"type": "objekt"})), "/properties/a"),
    ] {
        let refused = create(&hostile).await?;
        assert_eq!(refused.status, 422, "{word}: {}", refused.body);
        let error = &refused.body["errors"][0];
        assert_eq!(
            (&error["field"], &error["code"]),
            (&json!("parameters"), &json!("invalid_schema")),
            "{error}"
        );
        assert!(error["detail"].as_str().context("a detail")?.contains(word), "{word}: {error}");
    }
    let tree = json!({"type": "object", "properties": {"name": {"type": "string", "pattern": "^\\w{1,95}$"},
        "children": {"type": "array", "items": {"$ref": "#"}}}, "additionalProperties": false});
    for usual in [tree, doubling(6, "anyOf"), object(&json!({"type": "string", "format": "date-time"}))] {
        assert_eq!(create(&usual).await?.status, 201, "{usual}");
    }
    let grown = world.node.server()?.resident_bytes()?.saturating_sub(before);
    assert!(grown < 32 << 20, "the node grew by {grown} bytes");
    world.close().await?;
    Ok(())
}
