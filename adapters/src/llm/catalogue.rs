//! The catalogue of known models, read from `models.json` beside this file.

use std::collections::BTreeMap;

use domain::model::{ModelRef, Provider};
use serde::Deserialize;

/// A model known by name. Requests may name others as well.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownModel {
    pub name: String,
    /// Size of the context window in tokens, input and output together.
    pub context: u64,
    /// The most tokens of an answer.
    pub output: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shelf {
    default: Option<String>,
    models: Vec<KnownModel>,
    replaced: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
pub struct Catalogue(BTreeMap<Provider, Shelf>);

impl Catalogue {
    /// The catalogue built into this version. Fails when it cannot be parsed, which tests rule out.
    pub fn built_in() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("models.json")).map(Self)
    }

    /// The provider's default model, for requests that name none.
    #[must_use]
    pub fn default_of(&self, provider: Provider) -> Option<ModelRef> {
        let name = self.0.get(&provider)?.default.as_ref()?;
        Some(ModelRef::new(provider, name))
    }

    pub fn models(&self, provider: Provider) -> impl Iterator<Item = &KnownModel> {
        self.0.get(&provider).into_iter().flat_map(|shelf| &shelf.models)
    }

    /// Old model names with the newer ones that replace them.
    pub fn replaced(&self, provider: Provider) -> impl Iterator<Item = (&str, &str)> {
        let replaced = self.0.get(&provider).into_iter().flat_map(|shelf| &shelf.replaced);
        replaced.map(|(old, new)| (old.as_str(), new.as_str()))
    }

    /// The model to use instead of one that the provider no longer serves; `None` when it is current.
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
