//! Which property of a contact becomes which field of the customer: a setting of the client.

use std::collections::BTreeMap;

/// Prefix of the settings that map.
const PREFIX: &str = "map.";
/// Prefix of targets that are entries of the metadata.
const METADATA: &str = "metadata.";
/// Fields of a customer that properties may become, besides `metadata.<name>`.
pub const TARGETS: [&str; 6] = ["external_id", "name", "phones", "emails", "language", "timezone"];
/// Most properties that become one field.
const MOST: usize = 10;
const DEFAULTS: [(&str, &str); 5] = [
    ("name", "firstname lastname"),
    ("phones", "phone mobilephone"),
    ("emails", "email"),
    ("language", "hs_language"),
    ("timezone", "hs_timezone"),
];

/// The properties that become each field: `name` is `firstname` and `lastname` by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping(BTreeMap<String, Vec<String>>);

/// A setting that cannot be used: its name, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{1}")]
pub struct MappingFault(pub String, pub &'static str);

impl Default for Mapping {
    fn default() -> Self {
        let entry = |(field, properties): &(&str, &str)| {
            ((*field).to_owned(), properties.split(' ').map(str::to_owned).collect())
        };
        Self(DEFAULTS.iter().map(entry).collect())
    }
}

impl Mapping {
    /// Whether the setting is one of a mapping.
    #[must_use]
    pub fn is_setting(name: &str) -> bool {
        name.starts_with(PREFIX)
    }

    /// The mapping of a client: `map.<field>` with names of properties and blanks between them; an empty one takes a field
    /// out. Fields without a setting are as by default. Fails when a field or a property cannot be.
    pub fn of(settings: &BTreeMap<String, String>) -> Result<Self, MappingFault> {
        let mut mapping = Self::default();
        for (name, value) in settings {
            let Some(field) = name.strip_prefix(PREFIX) else { continue };
            let entry = field.strip_prefix(METADATA);
            if !TARGETS.contains(&field)
                && !entry.is_some_and(|entry| (1..=64).contains(&entry.chars().count()))
            {
                let advice = "map external_id, name, phones, emails, language, timezone or metadata.<name>";
                return Err(MappingFault(name.clone(), advice));
            }
            let properties: Vec<String> = value.split_whitespace().map(str::to_owned).collect();
            let named = |name: &String| name.len() <= 100 && name.bytes().all(|b| b.is_ascii_graphic());
            if properties.len() > MOST || !properties.iter().all(named) {
                let advice = "give the internal names of at most 10 properties with blanks between them";
                return Err(MappingFault(name.clone(), advice));
            }
            if properties.is_empty() {
                mapping.0.remove(field);
            } else {
                mapping.0.insert(field.to_owned(), properties);
            }
        }
        Ok(mapping)
    }

    /// Whether the property becomes part of a customer.
    #[must_use]
    pub fn wants(&self, property: &str) -> bool {
        self.0.values().any(|properties| properties.iter().any(|one| one == property))
    }

    /// Each field with its properties.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(field, properties)| (field.as_str(), &properties[..]))
    }

    /// The name of the metadata's entry that a field stands for.
    #[must_use]
    pub fn metadata_entry(field: &str) -> Option<&str> {
        field.strip_prefix(METADATA)
    }
}
