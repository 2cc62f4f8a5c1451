//! Compiles JSON Schema into rules, in time and memory that grow with its text and not with what it refers to.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};

use super::pattern::Pattern;
use super::rules::{NodeId, Rule, Schema, Types};

/// The most patterns in one schema.
const MAX_PATTERNS: usize = 64;
/// The most bytes that all automata of one schema may hold.
const MAX_AUTOMATA: usize = 512 << 10;
/// The most nodes that may examine one value, counting every reference each time it is followed.
const MAX_EXPANDED: u64 = 10_000;
/// The most references and alternatives in a row without going deeper into the value.
const MAX_CHAIN: usize = 48;

/// Supported dialects: all are read with the meaning of 2020-12.
const DIALECTS: [&str; 5] = [
    "json-schema.org/draft/2020-12/schema",
    "json-schema.org/draft/2019-09/schema",
    "json-schema.org/draft-07/schema",
    "json-schema.org/draft-06/schema",
    "json-schema.org/draft-04/schema",
];

/// Unsupported keywords: their meaning depends on how a schema was reached, or they cost more than they are worth.
const UNSUPPORTED: [&str; 7] = [
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
    "unevaluatedProperties",
    "unevaluatedItems",
];

impl Schema {
    /// Compiles a schema. The error says what is wrong with it, and where.
    pub(in crate::tools) fn compile(root: &Value) -> Result<Self, String> {
        let mut compiler = Compiler {
            root,
            nodes: vec![],
            known: HashMap::new(),
            waiting: vec![],
            patterns: vec![],
            known_patterns: HashMap::new(),
            automata: 0,
            anchors: None,
        };
        compiler.node(root, String::new());
        // a work list instead of recursion: references may chain through the whole schema
        while let Some((id, schema, at)) = compiler.waiting.pop() {
            let rules = compiler.rules(schema, &at).map_err(|what| match at.as_str() {
                "" => what,
                at => format!("{at}: {what}"),
            })?;
            compiler.nodes[id] = rules;
        }
        let Compiler { nodes, patterns, automata, .. } = compiler;
        // a node holds rules, and these hold parts of the text
        let rules: usize = nodes.iter().map(|rules| 64 + 2 * rules.len() * size_of::<Rule>()).sum();
        let schema = Self { nodes, patterns, bytes: automata + rules + 4 * text_length(root) };
        schema.bounded()?;
        Ok(schema)
    }

    /// Refuses schemas that would examine one value endlessly, or very often.
    fn bounded(&self) -> Result<(), String> {
        let mut costs = vec![Cost::Unknown; self.nodes.len()];
        for node in 0..self.nodes.len() {
            if self.cost(node, &mut costs, 0)? > MAX_EXPANDED {
                return Err(format!(
                    "it refers to so much that one value would be looked at more than {MAX_EXPANDED} times: use fewer \
                     references and alternatives within each other"
                ));
            }
        }
        Ok(())
    }

    fn cost(&self, node: NodeId, costs: &mut [Cost], chain: usize) -> Result<u64, String> {
        match costs[node] {
            Cost::Known(cost, height) if chain + height <= MAX_CHAIN => return Ok(cost),
            Cost::Unknown if chain <= MAX_CHAIN => {}
            Cost::Open => return Err("it refers to itself without going deeper into the value".to_owned()),
            _ => return Err(format!("more than {MAX_CHAIN} references and alternatives within each other")),
        }
        costs[node] = Cost::Open;
        let (mut cost, mut height) = (1u64, 0);
        for next in self.nodes[node].iter().flat_map(Rule::in_place) {
            cost = cost.saturating_add(self.cost(next, costs, chain + 1)?);
            if let Cost::Known(_, below) = costs[next] {
                height = height.max(below + 1);
            }
        }
        costs[node] = Cost::Known(cost, height);
        Ok(cost)
    }
}

/// How often a node's value is examined, and how long the longest chain below it is.
#[derive(Clone, Copy)]
enum Cost {
    Unknown,
    Open,
    Known(u64, usize),
}

/// Bytes of the strings in a document, plus a few for each value.
fn text_length(value: &Value) -> usize {
    match value {
        Value::String(text) => 16 + text.len(),
        Value::Array(items) => 16 + items.iter().map(text_length).sum::<usize>(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| 32 + name.len() + text_length(member)).sum()
        }
        _ => 16,
    }
}

struct Compiler<'a> {
    root: &'a Value,
    nodes: Vec<Vec<Rule>>,
    /// Compiled schemas by their address in memory: the same place is the same node, however it is reached.
    known: HashMap<*const Value, NodeId>,
    waiting: Vec<(NodeId, &'a Value, String)>,
    patterns: Vec<Pattern>,
    known_patterns: HashMap<&'a str, usize>,
    automata: usize,
    anchors: Option<HashMap<&'a str, (&'a Value, String)>>,
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn fault<T>(keyword: &str, what: &str) -> Result<T, String> {
    Err(format!("{keyword} {what}"))
}

fn count(keyword: &str, value: &Value) -> Result<u64, String> {
    let whole = value.as_u64().or_else(|| {
        let float = value.as_f64().filter(|float| float.fract() == 0.0 && (0.0..1e15).contains(float))?;
        Some(float as u64)
    });
    whole.map_or_else(|| fault(keyword, "must be a whole number, 0 or more"), Ok)
}

fn number(keyword: &str, value: &Value) -> Result<Number, String> {
    value.as_number().cloned().map_or_else(|| fault(keyword, "must be a number"), Ok)
}

fn names(keyword: &str, value: &Value) -> Result<Vec<String>, String> {
    let names =
        value.as_array().and_then(|names| names.iter().map(|n| n.as_str().map(str::to_owned)).collect());
    names.map_or_else(|| fault(keyword, "must be a list of names"), Ok)
}

fn members<'a>(keyword: &str, value: &'a Value) -> Result<&'a Map<String, Value>, String> {
    value.as_object().map_or_else(|| fault(keyword, "must be an object"), Ok)
}

fn types(value: &Value) -> Result<Types, String> {
    let unknown = "must be null, boolean, integer, number, string, array or object, or a list of these";
    let one = std::slice::from_ref(value);
    let list = value.as_array().map_or(one, Vec::as_slice);
    let types = list.iter().try_fold(Types::NONE, |types, name| types.and(name.as_str()?));
    types.filter(|types| *types != Types::NONE).map_or_else(|| fault("type", unknown), Ok)
}

impl<'a> Compiler<'a> {
    /// The node of a schema, which is queued for compilation if it is new.
    fn node(&mut self, schema: &'a Value, at: String) -> NodeId {
        let next = self.nodes.len();
        let id = *self.known.entry(std::ptr::from_ref(schema)).or_insert(next);
        if id == next {
            self.nodes.push(vec![]);
            self.waiting.push((id, schema, at));
        }
        id
    }

    fn list(&mut self, keyword: &str, value: &'a Value, at: &str) -> Result<Vec<NodeId>, String> {
        match value.as_array() {
            Some(schemas) if !schemas.is_empty() => {
                let place = |index| format!("{at}/{keyword}/{index}");
                Ok(schemas
                    .iter()
                    .enumerate()
                    .map(|(index, schema)| self.node(schema, place(index)))
                    .collect())
            }
            _ => fault(keyword, "must be a list of schemas, and not empty"),
        }
    }

    fn map(&mut self, keyword: &str, value: &'a Value, at: &str) -> Result<Vec<(String, NodeId)>, String> {
        let named = members(keyword, value)?.iter();
        let place = |name: &str| format!("{at}/{keyword}/{}", escaped(name));
        Ok(named.map(|(name, schema)| (name.clone(), self.node(schema, place(name)))).collect())
    }

    fn pattern(&mut self, keyword: &str, text: &'a str) -> Result<usize, String> {
        if let Some(known) = self.known_patterns.get(text) {
            return Ok(*known);
        }
        if self.patterns.len() == MAX_PATTERNS {
            return fault(keyword, &format!("is one of too many: a schema may have {MAX_PATTERNS}"));
        }
        let pattern = Pattern::compile(text).map_err(|what| format!("{keyword} {what}"))?;
        self.automata += pattern.bytes();
        if self.automata > MAX_AUTOMATA {
            return fault(keyword, "makes the patterns of this schema too large together");
        }
        self.known_patterns.insert(text, self.patterns.len());
        self.patterns.push(pattern);
        Ok(self.patterns.len() - 1)
    }

    /// The schema that a reference names, always within this document: nothing is fetched.
    fn target(&mut self, reference: &str) -> Result<(&'a Value, String), String> {
        let elsewhere = "must point into this schema (#/…): nothing is fetched from elsewhere";
        let own = self.root.get("$id").and_then(Value::as_str).map(|id| id.trim_end_matches('#'));
        let local = reference.strip_prefix('#').or_else(|| {
            let rest = reference.strip_prefix(own.filter(|own| !own.is_empty())?)?;
            if rest.is_empty() { Some("") } else { rest.strip_prefix('#') }
        });
        let Some(fragment) = local else { return fault("$ref", elsewhere) };
        let unknown =
            || format!("$ref points at nothing: {}", reference.chars().take(100).collect::<String>());
        let fragment = percent_encoding::percent_decode_str(fragment).decode_utf8().map_err(|_| unknown())?;
        if fragment.is_empty() || fragment.starts_with('/') {
            let found = self.root.pointer(&fragment).ok_or_else(unknown)?;
            return Ok((found, fragment.into_owned()));
        }
        let root = self.root;
        let anchors = self.anchors.get_or_insert_with(|| {
            let mut anchors = HashMap::new();
            find_anchors(root, String::new(), &mut anchors);
            anchors
        });
        anchors.get(&*fragment).cloned().ok_or_else(unknown)
    }

    fn rules(&mut self, schema: &'a Value, at: &str) -> Result<Vec<Rule>, String> {
        let schema = match schema {
            Value::Bool(true) => return Ok(vec![]),
            Value::Bool(false) => return Ok(vec![Rule::Never]),
            Value::Object(schema) => schema,
            _ => return Err("a schema is an object, true or false".to_owned()),
        };
        // cheap rules first
        let (mut rules, mut later) = (vec![], vec![]);
        for (keyword, value) in schema {
            if let Some(rule) = self.assertion(keyword, value, schema)? {
                rules.push(rule);
            } else if let Some(rule) = self.applicator(keyword, value, schema, at)? {
                later.push(rule);
            } else {
                self.annotation(keyword, value, at)?;
            }
        }
        later.extend(self.of_objects(schema, at)?);
        later.extend(self.of_arrays(schema, at)?);
        rules.append(&mut later);
        Ok(rules)
    }

    fn assertion(
        &mut self,
        keyword: &str,
        value: &'a Value,
        schema: &Map<String, Value>,
    ) -> Result<Option<Rule>, String> {
        // draft 4 says «exclusive» beside the limit
        let exclusive = |name| schema.get(name) == Some(&Value::Bool(true));
        Ok(Some(match keyword {
            "type" => Rule::Types(types(value)?),
            "enum" => match value.as_array() {
                Some(values) => Rule::OneOfValues(values.clone()),
                None => return fault(keyword, "must be a list of values"),
            },
            "const" => Rule::OneOfValues(vec![value.clone()]),
            "multipleOf" => {
                let of = number(keyword, value)?;
                if of.as_f64().is_none_or(|of| of <= 0.0) {
                    return fault(keyword, "must be more than 0");
                }
                Rule::MultipleOf(of)
            }
            "minimum" => {
                Rule::Minimum { limit: number(keyword, value)?, exclusive: exclusive("exclusiveMinimum") }
            }
            "maximum" => {
                Rule::Maximum { limit: number(keyword, value)?, exclusive: exclusive("exclusiveMaximum") }
            }
            "exclusiveMinimum" if !value.is_boolean() => {
                Rule::Minimum { limit: number(keyword, value)?, exclusive: true }
            }
            "exclusiveMaximum" if !value.is_boolean() => {
                Rule::Maximum { limit: number(keyword, value)?, exclusive: true }
            }
            "minLength" => Rule::MinLength(count(keyword, value)?),
            "maxLength" => Rule::MaxLength(count(keyword, value)?),
            "pattern" => match value.as_str() {
                Some(text) => Rule::Pattern(self.pattern(keyword, text)?),
                None => return fault(keyword, "must be a string"),
            },
            "minItems" => Rule::MinItems(count(keyword, value)?),
            "maxItems" => Rule::MaxItems(count(keyword, value)?),
            "uniqueItems" => match value {
                Value::Bool(true) => Rule::UniqueItems,
                Value::Bool(false) => return Ok(None),
                _ => return fault(keyword, "must be true or false"),
            },
            "minProperties" => Rule::MinProperties(count(keyword, value)?),
            "maxProperties" => Rule::MaxProperties(count(keyword, value)?),
            "required" if !value.is_boolean() => Rule::Required(names(keyword, value)?),
            "dependentRequired" => {
                let of = members(keyword, value)?.iter();
                let of = of.map(|(name, list)| Ok((name.clone(), names(keyword, list)?)));
                Rule::DependentRequired(of.collect::<Result<_, String>>()?)
            }
            _ => return Ok(None),
        }))
    }

    fn applicator(
        &mut self,
        keyword: &str,
        value: &'a Value,
        schema: &'a Map<String, Value>,
        at: &str,
    ) -> Result<Option<Rule>, String> {
        let place = || format!("{at}/{keyword}");
        Ok(Some(match keyword {
            "$ref" => match value.as_str() {
                Some(reference) => {
                    let (target, place) = self.target(reference)?;
                    Rule::Ref(self.node(target, place))
                }
                None => return fault(keyword, "must be a string"),
            },
            "allOf" => Rule::AllOf(self.list(keyword, value, at)?),
            "anyOf" => Rule::AnyOf(self.list(keyword, value, at)?),
            "oneOf" => Rule::OneOf(self.list(keyword, value, at)?),
            "not" => Rule::Not(self.node(value, place())),
            "if" => {
                let mut branch = |name| schema.get(name).map(|then| self.node(then, format!("{at}/{name}")));
                let (then, otherwise) = (branch("then"), branch("else"));
                Rule::If { condition: self.node(value, place()), then, otherwise }
            }
            "contains" => {
                let limit = |name: &str| schema.get(name).map(|value| count(name, value)).transpose();
                let (min, max) = (limit("minContains")?.unwrap_or(1), limit("maxContains")?);
                Rule::Contains { node: self.node(value, place()), min, max }
            }
            "propertyNames" => Rule::PropertyNames(self.node(value, place())),
            "dependentSchemas" => Rule::DependentSchemas(self.map(keyword, value, at)?),
            // before 2019: a list of names or a schema
            "dependencies" => {
                let (mut lists, mut schemas) = (vec![], vec![]);
                for (name, of) in members(keyword, value)? {
                    if of.is_array() {
                        lists.push((name.clone(), names(keyword, of)?));
                    } else {
                        schemas
                            .push((name.clone(), self.node(of, format!("{at}/{keyword}/{}", escaped(name)))));
                    }
                }
                let node = self.nodes.len();
                self.nodes.push(vec![Rule::DependentRequired(lists), Rule::DependentSchemas(schemas)]);
                Rule::Ref(node)
            }
            _ => return Ok(None),
        }))
    }

    fn of_objects(&mut self, schema: &'a Map<String, Value>, at: &str) -> Result<Option<Rule>, String> {
        let (named, patterns, others) =
            (schema.get("properties"), schema.get("patternProperties"), schema.get("additionalProperties"));
        if named.is_none() && patterns.is_none() && others.is_none() {
            return Ok(None);
        }
        let mut named = named.map_or(Ok(vec![]), |named| self.map("properties", named, at))?;
        named.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut of_patterns = vec![];
        if let Some(patterns) = patterns {
            for (text, schema) in members("patternProperties", patterns)? {
                let pattern = self.pattern("patternProperties", text)?;
                let place = format!("{at}/patternProperties/{}", escaped(text));
                of_patterns.push((pattern, self.node(schema, place)));
            }
        }
        let others = others.map(|others| self.node(others, format!("{at}/additionalProperties")));
        Ok(Some(Rule::Properties { named, patterns: of_patterns, others }))
    }

    fn of_arrays(&mut self, schema: &'a Map<String, Value>, at: &str) -> Result<Option<Rule>, String> {
        let items = schema.get("items");
        // before 2020: a list of items, then additionalItems
        let (keyword, first, others) = match (schema.get("prefixItems"), items) {
            (None, Some(Value::Array(_))) => ("items", items, schema.get_key_value("additionalItems")),
            (first, _) => ("prefixItems", first, schema.get_key_value("items")),
        };
        if first.is_none() && others.is_none() {
            return Ok(None);
        }
        let first = match first {
            Some(first) if first.as_array().is_some_and(Vec::is_empty) => vec![],
            Some(first) => self.list(keyword, first, at)?,
            None => vec![],
        };
        let others = others.map(|(name, others)| self.node(others, format!("{at}/{name}")));
        Ok(Some(Rule::Items { first, others }))
    }

    /// Checks keywords that assert nothing about the value.
    fn annotation(&mut self, keyword: &str, value: &'a Value, at: &str) -> Result<(), String> {
        match keyword {
            "$defs" | "definitions" => self.map(keyword, value, at).map(drop),
            "$schema" => {
                let known = value.as_str().and_then(|uri| {
                    let uri = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"))?;
                    DIALECTS.iter().find(|known| **known == uri.trim_end_matches('#'))
                });
                match known {
                    Some(_) if at.is_empty() => Ok(()),
                    _ => fault(keyword, "must stand at the top, and name a dialect of json-schema.org"),
                }
            }
            "$id" if !at.is_empty() => fault(keyword, "is supported at the top of a schema only"),
            "$id" | "$anchor" | "format" | "title" | "description" | "$comment" if !value.is_string() => {
                fault(keyword, "must be a string")
            }
            keyword if UNSUPPORTED.contains(&keyword) => fault(keyword, "is not supported"),
            _ => Ok(()),
        }
    }
}

fn find_anchors<'a>(value: &'a Value, at: String, anchors: &mut HashMap<&'a str, (&'a Value, String)>) {
    match value {
        Value::Object(members) => {
            if let Some(name) = members.get("$anchor").and_then(Value::as_str) {
                anchors.entry(name).or_insert((value, at.clone()));
            }
            for (name, member) in members {
                find_anchors(member, format!("{at}/{}", escaped(name)), anchors);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                find_anchors(item, format!("{at}/{index}"), anchors);
            }
        }
        _ => {}
    }
}
