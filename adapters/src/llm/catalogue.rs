//! Which models there are: data, in `models.json` beside this file.

use std::collections::BTreeMap;

use domain::model::{ModelRef, Provider};
use serde::Deserialize;

/// A model that is known by name. Others may be asked as well.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownModel {
    /// Its name.
    pub name: String,
    /// Tokens it reads and writes, together.
    pub context: u64,
    /// Tokens it writes.
    pub output: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shelf {
    default: Option<String>,
    models: Vec<KnownModel>,
    replaced: BTreeMap<String, String>,
}

/// The models of all providers.
#[derive(Debug, Clone)]
pub struct Catalogue(BTreeMap<Provider, Shelf>);

impl Catalogue {
    /// The one that comes with this version.
    ///
    /// # Errors
    /// When it cannot be read: never in a version whose tests passed.
    pub fn built_in() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("models.json")).map(Self)
    }

    /// The model that is asked when nobody names one.
    #[must_use]
    pub fn default_of(&self, provider: Provider) -> Option<ModelRef> {
        let name = self.0.get(&provider)?.default.as_ref()?;
        Some(ModelRef::new(provider, name))
    }

    /// The models of a provider.
    pub fn models(&self, provider: Provider) -> impl Iterator<Item = &KnownModel> {
        self.0.get(&provider).into_iter().flat_map(|shelf| &shelf.models)
    }

    /// Names that are mapped to newer ones.
    pub fn replaced(&self, provider: Provider) -> impl Iterator<Item = (&str, &str)> {
        let replaced = self.0.get(&provider).into_iter().flat_map(|shelf| &shelf.replaced);
        replaced.map(|(old, new)| (old.as_str(), new.as_str()))
    }

    /// The model that is asked for this one, if it is another one: the provider serves this one no more.
    #[must_use]
    pub fn successor(&self, model: &ModelRef) -> Option<ModelRef> {
        let new = self.0.get(&model.provider)?.replaced.get(&model.model)?;
        Some(ModelRef::new(model.provider, new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_has_a_shelf_and_nothing_is_replaced_by_what_is_not_there() {
        let catalogue = Catalogue::built_in().unwrap();
        for provider in Provider::ALL {
            assert!(catalogue.0.contains_key(&provider), "{provider}");
            let names: Vec<_> = catalogue.models(provider).map(|model| model.name.clone()).collect();
            if let Some(default) = catalogue.default_of(provider) {
                assert!(names.contains(&default.model), "{default}");
            }
            for (old, new) in catalogue.replaced(provider) {
                assert!(
                    names.iter().any(|name| name == new) && !names.iter().any(|name| name == old),
                    "{old}"
                );
            }
        }
    }

    #[test]
    fn the_names_in_many_old_examples_lead_to_models_that_are_served() {
        let catalogue = Catalogue::built_in().unwrap();
        for old in ["llama3-70b-8192", "llama3-8b-8192", "mixtral-8x7b-32768", "gemma-7b-it"] {
            let new = catalogue.successor(&ModelRef::new(Provider::Groq, old)).unwrap();
            assert!(new.model.starts_with("openai/gpt-oss"), "{old} leads to {new}");
        }
        assert_eq!(catalogue.successor(&ModelRef::new(Provider::Groq, "openai/gpt-oss-20b")), None);
    }
}
