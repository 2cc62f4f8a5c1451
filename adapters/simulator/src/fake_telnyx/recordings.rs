//! The recordings that the API lists and returns.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::answers::Answer;

/// Recordings by an increasing number.
#[derive(Debug, Default)]
pub(super) struct Recordings {
    last: u64,
    kept: BTreeMap<u64, Value>,
    /// How often the file of each recording was asked for.
    asked: HashMap<String, u32>,
}

impl Recordings {
    /// Stores a recording, in the form that `GET /recordings/{id}` shows.
    pub fn keep(&mut self, recording: Value) {
        self.last += 1;
        self.kept.insert(self.last, recording);
    }

    /// How often the file of a recording has been asked for, this time included; `None` when there is no such recording.
    pub fn asked_for(&mut self, id: &str) -> Option<u32> {
        self.get(id)?;
        let times = self.asked.entry(id.to_owned()).or_default();
        *times += 1;
        Some(*times)
    }

    pub fn get(&self, id: &str) -> Option<&Value> {
        self.kept.values().find(|recording| recording["id"] == id)
    }

    /// The recordings whose fields have these values.
    pub fn list(&self, wanted: &[(&str, &Option<String>)]) -> Vec<(u64, Value)> {
        let fits = |recording: &Value| {
            wanted.iter().all(|(field, value)| value.as_ref().is_none_or(|value| recording[field] == *value))
        };
        let found = self.kept.iter().filter(|(_, recording)| fits(recording));
        found.map(|(number, recording)| (*number, recording.clone())).collect()
    }

    /// Deletes a recording; answers 404 where there is none, as the API does.
    pub fn delete(&mut self, id: &str) -> Answer {
        let found = self.kept.iter().find(|(_, recording)| recording["id"] == id).map(|(number, _)| *number);
        match found.and_then(|number| self.kept.remove(&number)) {
            Some(_) => Answer::ok(json!({ "id": id, "record_type": "recording" })),
            None => Answer::not_found(),
        }
    }
}
