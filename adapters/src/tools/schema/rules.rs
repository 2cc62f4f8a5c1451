//! A compiled schema: nodes that refer to each other by number, so that sharing and recursion cost nothing.

use serde_json::{Number, Value};

use super::pattern::Pattern;

/// Index of a node in [`Schema::nodes`].
pub(super) type NodeId = usize;

/// A compiled schema; its first node is the root.
#[derive(Debug)]
pub(in crate::tools) struct Schema {
    pub(super) nodes: Vec<Vec<Rule>>,
    pub(super) patterns: Vec<Pattern>,
    /// Approximate size in memory, in bytes.
    pub(super) bytes: usize,
}

/// One assertion, or a reference to other nodes.
#[derive(Debug)]
pub(super) enum Rule {
    Never,
    Types(Types),
    OneOfValues(Vec<Value>),
    MultipleOf(Number),
    Minimum {
        limit: Number,
        exclusive: bool,
    },
    Maximum {
        limit: Number,
        exclusive: bool,
    },
    MinLength(u64),
    MaxLength(u64),
    /// Index of the pattern in [`Schema::patterns`].
    Pattern(usize),
    MinItems(u64),
    MaxItems(u64),
    UniqueItems,
    MinProperties(u64),
    MaxProperties(u64),
    Required(Vec<String>),
    DependentRequired(Vec<(String, Vec<String>)>),
    Properties {
        named: Vec<(String, NodeId)>,
        patterns: Vec<(usize, NodeId)>,
        others: Option<NodeId>,
    },
    PropertyNames(NodeId),
    Items {
        first: Vec<NodeId>,
        others: Option<NodeId>,
    },
    Contains {
        node: NodeId,
        min: u64,
        max: Option<u64>,
    },
    Ref(NodeId),
    DependentSchemas(Vec<(String, NodeId)>),
    AllOf(Vec<NodeId>),
    AnyOf(Vec<NodeId>),
    OneOf(Vec<NodeId>),
    Not(NodeId),
    If {
        condition: NodeId,
        then: Option<NodeId>,
        otherwise: Option<NodeId>,
    },
}

impl Rule {
    /// The nodes that examine the same value as this rule.
    pub(super) fn in_place(&self) -> Vec<NodeId> {
        match self {
            Self::Ref(node) | Self::Not(node) => vec![*node],
            Self::AllOf(nodes) | Self::AnyOf(nodes) | Self::OneOf(nodes) => nodes.clone(),
            Self::DependentSchemas(nodes) => nodes.iter().map(|(_, node)| *node).collect(),
            Self::If { condition, then, otherwise } => {
                [Some(*condition), *then, *otherwise].into_iter().flatten().collect()
            }
            _ => vec![],
        }
    }
}

/// A set of JSON types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Types(u8);

/// The names of the types; the index of each is its bit.
const NAMES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

impl Types {
    pub(super) const NONE: Self = Self(0);

    /// Adds the type with this name; `None` if there is no such type.
    pub(super) fn and(self, name: &str) -> Option<Self> {
        let bit = NAMES.iter().position(|known| *known == name)?;
        Some(Self(self.0 | 1 << bit))
    }

    pub(super) fn allow(self, value: &Value) -> bool {
        let bits = match value {
            Value::Null => 1,
            Value::Bool(_) => 1 << 1,
            Value::Number(number) if super::values::is_integer(number) => 1 << 2 | 1 << 3,
            Value::Number(_) => 1 << 3,
            Value::String(_) => 1 << 4,
            Value::Array(_) => 1 << 5,
            Value::Object(_) => 1 << 6,
        };
        self.0 & bits != 0
    }

    pub(super) fn names(self) -> String {
        let named = NAMES.iter().enumerate().filter(|(bit, _)| self.0 & 1 << bit != 0);
        named.map(|(_, name)| *name).collect::<Vec<_>>().join(" or ")
    }
}
