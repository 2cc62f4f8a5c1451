//! Validates values against a schema. Work is counted in steps, so that no schema and no value can
//! make it take long.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;

use serde_json::{Map, Value};

use super::rules::{NodeId, Rule, Schema};
use super::values::{compare, equal, hash, is_multiple};

/// The most steps of one validation: some ten milliseconds.
const STEPS: u64 = 200_000;
/// Steps of a pattern's automaton that count as one step.
const AUTOMATON_STEPS: u64 = 32;
/// The deepest nesting of nodes.
const NESTED: usize = 256;
/// The most faults reported.
const TOLD: usize = 5;
/// The most characters of a fault.
const FAULT: usize = 300;

/// Why a value is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tools) enum Misfit {
    /// Descriptions of the first faults.
    Faults(Vec<String>),
    /// The validation would take too many steps.
    Exhausted,
}

impl Schema {
    /// Validates the value. Fails with the faults, or when it would take too many steps.
    pub(in crate::tools) fn check(&self, value: &Value) -> Result<(), Misfit> {
        let mut run = Run { schema: self, steps: STEPS, nested: 0, faults: vec![] };
        match run.fits(0, value, &Path::Root, true) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Misfit::Faults(run.faults)),
            Err(Exhausted) => Err(Misfit::Exhausted),
        }
    }
}

struct Exhausted;

struct Run<'a> {
    schema: &'a Schema,
    steps: u64,
    nested: usize,
    faults: Vec<String>,
}

/// Path of a value within the validated document.
enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Member(parent, name) => {
                write!(f, "{parent}/{}", name.replace('~', "~0").replace('/', "~1"))
            }
            Self::Item(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

impl Run<'_> {
    fn step(&mut self, steps: u64) -> Result<(), Exhausted> {
        self.steps = self.steps.checked_sub(steps).ok_or(Exhausted)?;
        Ok(())
    }

    /// Records a fault if `told` is set. Always returns false.
    fn fault(&mut self, path: &Path<'_>, told: bool, what: impl FnOnce() -> String) -> bool {
        if told && self.faults.len() < TOLD {
            let text = match path {
                Path::Root => what(),
                path => format!("{path}: {}", what()),
            };
            self.faults.push(text.chars().take(FAULT).collect());
        }
        false
    }

    /// Validates a value against a node. With `told` it looks for every fault and records the first few; otherwise
    /// the first fault ends it.
    fn fits(&mut self, node: NodeId, value: &Value, path: &Path<'_>, told: bool) -> Result<bool, Exhausted> {
        if self.nested == NESTED {
            return Err(Exhausted);
        }
        self.nested += 1;
        let mut fits = true;
        for rule in &self.schema.nodes[node] {
            self.step(1)?;
            fits &= self.obeys(rule, value, path, told)?;
            if !fits && (!told || self.faults.len() >= TOLD) {
                break;
            }
        }
        self.nested -= 1;
        Ok(fits)
    }

    fn obeys(&mut self, rule: &Rule, value: &Value, path: &Path<'_>, told: bool) -> Result<bool, Exhausted> {
        match value {
            Value::Number(number) => {
                let right = match rule {
                    Rule::MultipleOf(of) => is_multiple(number, of),
                    Rule::Minimum { limit, exclusive } => match compare(number, limit) {
                        Ordering::Less => false,
                        Ordering::Equal => !exclusive,
                        Ordering::Greater => true,
                    },
                    Rule::Maximum { limit, exclusive } => match compare(number, limit) {
                        Ordering::Less => true,
                        Ordering::Equal => !exclusive,
                        Ordering::Greater => false,
                    },
                    _ => return self.obeys_any(rule, value, path, told),
                };
                Ok(right || self.fault(path, told, || format!("{number} is not {}", wanted(rule))))
            }
            Value::String(text) => self.obeys_text(rule, text, value, path, told),
            Value::Array(items) => self.obeys_array(rule, items, value, path, told),
            Value::Object(members) => self.obeys_object(rule, members, value, path, told),
            Value::Null | Value::Bool(_) => self.obeys_any(rule, value, path, told),
        }
    }

    fn matches(&mut self, pattern: usize, text: &str) -> Result<bool, Exhausted> {
        let pattern = &self.schema.patterns[pattern];
        self.step(1 + pattern.steps(text) / AUTOMATON_STEPS)?;
        Ok(pattern.is_match(text))
    }

    fn obeys_text(
        &mut self,
        rule: &Rule,
        text: &str,
        value: &Value,
        path: &Path<'_>,
        told: bool,
    ) -> Result<bool, Exhausted> {
        let right = match rule {
            Rule::MinLength(_) | Rule::MaxLength(_) => {
                self.step(text.len() as u64 / 256)?;
                let length = text.chars().count() as u64;
                match rule {
                    Rule::MinLength(min) => length >= *min,
                    Rule::MaxLength(max) => length <= *max,
                    _ => true,
                }
            }
            Rule::Pattern(pattern) => {
                let right = self.matches(*pattern, text)?;
                let schema = self.schema;
                return Ok(right
                    || self.fault(path, told, || {
                        format!("does not match the pattern {}", schema.patterns[*pattern].text())
                    }));
            }
            _ => return self.obeys_any(rule, value, path, told),
        };
        Ok(right || self.fault(path, told, || format!("the text is not {}", wanted(rule))))
    }

    fn obeys_array(
        &mut self,
        rule: &Rule,
        items: &[Value],
        value: &Value,
        path: &Path<'_>,
        told: bool,
    ) -> Result<bool, Exhausted> {
        let right = match rule {
            Rule::MinItems(min) => items.len() as u64 >= *min,
            Rule::MaxItems(max) => items.len() as u64 <= *max,
            Rule::UniqueItems => self.unique(items)?,
            Rule::Contains { node, min, max } => {
                let mut found = 0;
                for (index, item) in items.iter().enumerate() {
                    found += u64::from(self.fits(*node, item, &Path::Item(path, index), false)?);
                }
                found >= *min && max.is_none_or(|max| found <= max)
            }
            Rule::Items { first, others } => {
                let mut fits = true;
                for (index, item) in items.iter().enumerate() {
                    let Some(node) = first.get(index).copied().or(*others) else { break };
                    fits &= self.fits(node, item, &Path::Item(path, index), told)?;
                    if !fits && (!told || self.faults.len() >= TOLD) {
                        break;
                    }
                }
                return Ok(fits);
            }
            _ => return self.obeys_any(rule, value, path, told),
        };
        Ok(right || self.fault(path, told, || format!("the array is not {}", wanted(rule))))
    }

    fn unique(&mut self, items: &[Value]) -> Result<bool, Exhausted> {
        let state = RandomState::new();
        let mut seen: HashMap<u64, Vec<&Value>> = HashMap::with_capacity(items.len());
        for item in items {
            let alike = seen.entry(hash(item, &state, &mut || self.step(1))?).or_default();
            for other in alike.iter() {
                if equal(item, other, &mut || self.step(1))? {
                    return Ok(false);
                }
            }
            alike.push(item);
        }
        Ok(true)
    }

    fn obeys_object(
        &mut self,
        rule: &Rule,
        members: &Map<String, Value>,
        value: &Value,
        path: &Path<'_>,
        told: bool,
    ) -> Result<bool, Exhausted> {
        let right = match rule {
            Rule::MinProperties(min) => members.len() as u64 >= *min,
            Rule::MaxProperties(max) => members.len() as u64 <= *max,
            Rule::Required(names) => return self.required(names, members, path, told),
            Rule::DependentRequired(of) => {
                let mut fits = true;
                for (name, names) in of {
                    self.step(1)?;
                    if members.contains_key(name) {
                        fits &= self.required(names, members, path, told)?;
                    }
                }
                return Ok(fits);
            }
            Rule::DependentSchemas(of) => {
                let mut fits = true;
                for (name, node) in of {
                    self.step(1)?;
                    if members.contains_key(name) {
                        fits &= self.fits(*node, value, path, told)?;
                    }
                }
                return Ok(fits);
            }
            Rule::PropertyNames(node) => {
                let mut fits = true;
                for name in members.keys() {
                    let value = Value::String(name.clone());
                    fits &= self.fits(*node, &value, &Path::Member(path, name), told)?;
                    if !fits && !told {
                        break;
                    }
                }
                return Ok(fits);
            }
            Rule::Properties { named, patterns, others } => {
                let mut fits = true;
                for (name, member) in members {
                    let path = Path::Member(path, name);
                    let mut known = false;
                    if let Ok(at) = named.binary_search_by(|(other, _)| other.as_str().cmp(name)) {
                        known = true;
                        fits &= self.fits(named[at].1, member, &path, told)?;
                    }
                    for (pattern, node) in patterns {
                        if self.matches(*pattern, name)? {
                            known = true;
                            fits &= self.fits(*node, member, &path, told)?;
                        }
                    }
                    if let (false, Some(node)) = (known, others) {
                        fits &= self.fits(*node, member, &path, told)?;
                    }
                    if !fits && (!told || self.faults.len() >= TOLD) {
                        break;
                    }
                }
                return Ok(fits);
            }
            _ => return self.obeys_any(rule, value, path, told),
        };
        Ok(right || self.fault(path, told, || format!("the object is not {}", wanted(rule))))
    }

    fn required(
        &mut self,
        names: &[String],
        members: &Map<String, Value>,
        path: &Path<'_>,
        told: bool,
    ) -> Result<bool, Exhausted> {
        let mut fits = true;
        for name in names {
            self.step(1)?;
            if !members.contains_key(name) {
                fits = self.fault(path, told, || format!("{name} is required"));
            }
        }
        Ok(fits)
    }

    /// Checks the rules that apply to values of every type.
    fn obeys_any(
        &mut self,
        rule: &Rule,
        value: &Value,
        path: &Path<'_>,
        told: bool,
    ) -> Result<bool, Exhausted> {
        let right = match rule {
            Rule::Never => return Ok(self.fault(path, told, || "nothing may stand here".to_owned())),
            Rule::Types(types) => {
                return Ok(types.allow(value)
                    || self.fault(path, told, || format!("the value is not of type {}", types.names())));
            }
            Rule::OneOfValues(allowed) => self.one_of_values(allowed, value)?,
            Rule::Ref(node) => return self.fits(*node, value, path, told),
            Rule::AllOf(nodes) => {
                let mut fits = true;
                for node in nodes {
                    fits &= self.fits(*node, value, path, told)?;
                    if !fits && !told {
                        break;
                    }
                }
                return Ok(fits);
            }
            Rule::AnyOf(nodes) => {
                let mut fits = false;
                for node in nodes {
                    fits = self.fits(*node, value, path, false)?;
                    if fits {
                        break;
                    }
                }
                fits
            }
            Rule::OneOf(nodes) => {
                let mut fitting = 0;
                for node in nodes {
                    fitting += u8::from(self.fits(*node, value, path, false)?);
                    if fitting > 1 {
                        break;
                    }
                }
                fitting == 1
            }
            Rule::Not(node) => !self.fits(*node, value, path, false)?,
            Rule::If { condition, then, otherwise } => {
                let next = if self.fits(*condition, value, path, false)? { then } else { otherwise };
                return match next {
                    Some(node) => self.fits(*node, value, path, told),
                    None => Ok(true),
                };
            }
            // the rule is for values of another type
            _ => true,
        };
        Ok(right || self.fault(path, told, || format!("the value is not {}", wanted(rule))))
    }

    fn one_of_values(&mut self, allowed: &[Value], value: &Value) -> Result<bool, Exhausted> {
        for other in allowed {
            if equal(value, other, &mut || self.step(1))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn wanted(rule: &Rule) -> String {
    match rule {
        Rule::OneOfValues(values) => {
            let shown: Vec<String> = values.iter().take(20).map(Value::to_string).collect();
            format!("one of {}", shown.join(", "))
        }
        Rule::MultipleOf(of) => format!("a multiple of {of}"),
        Rule::Minimum { limit, exclusive: false } => format!("at least {limit}"),
        Rule::Minimum { limit, exclusive: true } => format!("more than {limit}"),
        Rule::Maximum { limit, exclusive: false } => format!("at most {limit}"),
        Rule::Maximum { limit, exclusive: true } => format!("less than {limit}"),
        Rule::MinLength(min) => format!("at least {min} characters long"),
        Rule::MaxLength(max) => format!("at most {max} characters long"),
        Rule::MinItems(min) => format!("at least {min} items long"),
        Rule::MaxItems(max) => format!("at most {max} items long"),
        Rule::UniqueItems => "without equal items".to_owned(),
        Rule::Contains { .. } => "one with the items that it must contain".to_owned(),
        Rule::MinProperties(min) => format!("of at least {min} properties"),
        Rule::MaxProperties(max) => format!("of at most {max} properties"),
        Rule::AnyOf(_) => "any of the alternatives (anyOf)".to_owned(),
        Rule::OneOf(_) => "exactly one of the alternatives (oneOf)".to_owned(),
        Rule::Not(_) => "allowed (not)".to_owned(),
        _ => "allowed".to_owned(),
    }
}
