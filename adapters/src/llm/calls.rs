//! Assembles tool calls from the fragments that a server sends: each call once, with the model's own arguments.

use serde_json::Value;

/// A tool call as a decoder reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The provider's id of the call; empty where it gives none.
    pub id: String,
    /// Number of the call in the answer, where the provider counts them.
    pub index: Option<u64>,
    /// Name of the tool as the model wrote it; [`meant`] finds the tool.
    pub name: String,
    /// The arguments as written; empty where there are none.
    pub arguments: String,
    /// Data that the provider wants back with the call, such as a signature.
    pub opaque: Option<String>,
}

/// A tool call that is still being received.
#[derive(Debug, Default)]
struct Part {
    index: Option<u64>,
    id: String,
    name: String,
    fragments: Vec<String>,
}

impl Part {
    fn is_begun(&self) -> bool {
        self.fragments.iter().any(|fragment| !fragment.trim().is_empty())
    }

    fn is_complete(&self) -> bool {
        object(&self.fragments.concat()).is_some()
    }
}

/// The fragments of calls received so far.
#[derive(Debug, Default)]
pub(super) struct Parts(Vec<Part>);

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default().trim()
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

impl Parts {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are calls, and each has parseable arguments.
    pub(super) fn are_complete(&self) -> bool {
        let read = |part: &Part| arguments(&part.fragments).iter().all(|told| object(told).is_some());
        !self.0.is_empty() && self.0.iter().all(read)
    }

    /// Adds a fragment: `{"index":0,"id":"…","function":{"name":"…","arguments":"…"}}`, with any field left out.
    pub(super) fn fragment(&mut self, fragment: &Value, known: &dyn Fn(&str) -> bool) {
        let function = fragment.get("function").filter(|function| function.is_object()).unwrap_or(fragment);
        let (index, id, name) = (number(&fragment["index"]), word(&fragment["id"]), word(&function["name"]));
        let more = ["arguments", "parameters", "args", "input"].iter().find_map(|key| function.get(key));
        let more = match more {
            Some(Value::String(more)) => more.clone(),
            None | Some(Value::Null) => String::new(),
            Some(value) => value.to_string(),
        };
        let at = self.belongs_to(index, id, name, known).unwrap_or_else(|| {
            self.0.push(Part { index, ..Part::default() });
            self.0.len() - 1
        });
        let Some(part) = self.0.get_mut(at) else { return };
        if part.id.is_empty() {
            id.clone_into(&mut part.id);
        }
        if part.name.is_empty() {
            name.clone_into(&mut part.name);
        } else if !name.is_empty() && part.name != name && !part.is_begun() {
            part.name.push_str(name);
        }
        if !more.is_empty() {
            part.fragments.push(more);
        }
    }

    /// The part that a fragment continues. The id decides, then the index, then the order; but a fragment that
    /// names a tool never continues a complete call.
    fn belongs_to(
        &self,
        index: Option<u64>,
        id: &str,
        name: &str,
        known: &dyn Fn(&str) -> bool,
    ) -> Option<usize> {
        let same = |part: &Part| !id.is_empty() && part.id == id && (index == part.index || index.is_none());
        if let Some(at) = self.0.iter().rposition(same) {
            let other = !name.is_empty() && self.0[at].name != name && self.0[at].is_complete();
            return (!other).then_some(at);
        }
        let at = match index {
            Some(_) => self.0.iter().rposition(|part| part.index == index)?,
            None => self.0.len().checked_sub(1)?,
        };
        let part = &self.0[at];
        let goes_on = if name.is_empty() {
            // some servers invent another id for every fragment; a fragment without a name starts no call
            id.is_empty() || part.id.is_empty() || !part.is_complete() || index.is_some()
        } else if part.is_complete() {
            false
        } else if part.is_begun() {
            part.name == name || part.name.is_empty()
        } else if !id.is_empty() && !part.id.is_empty() {
            false
        } else {
            // the server repeats the name, or sends more of it
            part.name.is_empty() || part.name == name || (index.is_some() && !known(&part.name))
        };
        goes_on.then_some(at)
    }

    /// The calls in their order, one for each set of arguments; fragments without a tool name and
    /// arguments are left out.
    pub(super) fn settled(self) -> Vec<Call> {
        let mut calls = Vec::new();
        for Part { index, id, name, fragments } in self.0 {
            if name.is_empty() && fragments.is_empty() {
                continue;
            }
            for arguments in arguments(&fragments) {
                let (id, name) = (id.clone(), name.clone());
                calls.push(Call { id, index, name, arguments, opaque: None });
            }
        }
        calls
    }
}

fn object(text: &str) -> Option<Value> {
    serde_json::from_str::<Value>(text).ok().filter(Value::is_object)
}

fn is_nothing(text: &str) -> bool {
    matches!(text.trim(), "" | "null" | "{}")
        || object(text).is_some_and(|value| value == Value::Object(<_>::default()))
}

/// The arguments in the fragments of one call: several sets when the server sent several calls under one name.
fn arguments(fragments: &[String]) -> Vec<String> {
    let whole = fragments.concat();
    match serde_json::from_str::<Value>(&whole) {
        // an object encoded as a JSON string within JSON
        Ok(Value::String(inner)) if object(&inner).is_some() => return vec![inner],
        Ok(_) => return vec![whole],
        Err(_) => {}
    }
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&whole).into_iter().collect();
    if let Ok(values) = values
        && values.iter().all(Value::is_object)
        && !values.is_empty()
    {
        let mut distinct: Vec<String> = Vec::new();
        for value in values.iter().map(Value::to_string).filter(|value| value != "{}") {
            if !distinct.contains(&value) {
                distinct.push(value);
            }
        }
        return if distinct.is_empty() { vec!["{}".to_owned()] } else { distinct };
    }
    // each fragment repeats everything so far
    let grows = fragments.windows(2).all(|pair| pair[1].starts_with(&pair[0]));
    match fragments.last() {
        Some(last) if grows && object(last).is_some() => vec![last.clone()],
        _ => vec![whole],
    }
}

/// Removes repeated calls. Two calls are the same when tool and arguments are equal, and neither id nor
/// number sets them apart.
pub(super) fn once(calls: Vec<Call>) -> Vec<Call> {
    let mut told: Vec<Call> = Vec::new();
    for call in calls {
        let apart = |before: &Call| {
            let (ids, indices) = (before.id != call.id, before.index != call.index);
            let counted = before.index.is_some() && call.index.is_some();
            let named = !before.id.is_empty() && !call.id.is_empty();
            if counted { indices && (ids || !named) } else { named && ids }
        };
        let again = told.iter_mut().find(|before| {
            before.name == call.name && !apart(before) && {
                same(&before.arguments, &call.arguments)
                    || is_nothing(&before.arguments)
                    || is_nothing(&call.arguments)
            }
        });
        match again {
            Some(before) if is_nothing(&before.arguments) => {
                before.arguments = call.arguments;
                before.opaque = before.opaque.take().or(call.opaque);
            }
            Some(_) => {}
            None => told.push(call),
        }
    }
    told
}

fn same(one: &str, other: &str) -> bool {
    one == other || object(one).is_some_and(|value| Some(value) == object(other))
}

/// The tool that the model means: models put blanks and a namespace around names, and servers leave marks of the
/// chat template. A name that fits no tool stays as it is.
pub(super) fn meant(name: &str, tools: &[String]) -> String {
    let name = name.split("<|").next().unwrap_or_default().trim().trim_matches(['"', '`']).trim();
    let plain =
        |name: &str| -> String { name.split_whitespace().collect::<Vec<_>>().join("_").to_ascii_lowercase() };
    let bare = name.rsplit(['.', ':', '/']).next().unwrap_or(name);
    let exact = [name, bare].into_iter().find_map(|name| tools.iter().find(|tool| *tool == name));
    let found = exact.cloned().or_else(|| {
        let mut like =
            tools.iter().filter(|tool| [plain(name), plain(bare)].contains(&tool.to_ascii_lowercase()));
        like.next().filter(|_| like.next().is_none()).cloned()
    });
    found.unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Ids, names and arguments of the calls that the fragments make.
    fn told(fragments: &[Value]) -> Vec<(String, String, String)> {
        let mut parts = Parts::default();
        for fragment in fragments {
            parts.fragment(fragment, &|name| matches!(name, "find" | "book"));
        }
        once(parts.settled()).into_iter().map(|call| (call.id, call.name, call.arguments)).collect()
    }

    fn is(fragments: &[Value], calls: &[(&str, &str, &str)]) {
        let told = told(fragments);
        let told: Vec<_> =
            told.iter().map(|(id, name, args)| (id.as_str(), name.as_str(), args.as_str())).collect();
        assert_eq!(told, calls, "of {fragments:?}");
    }

    fn f(index: Option<u64>, id: &str, name: &str, arguments: impl Into<Value>) -> Value {
        let arguments: Value = arguments.into();
        let mut fragment = json!({"function": {"arguments": arguments}});
        if let Some(index) = index {
            fragment["index"] = index.into();
        }
        if !id.is_empty() {
            fragment["id"] = id.into();
        }
        if !name.is_empty() {
            fragment["function"]["name"] = name.into();
        }
        fragment
    }

    #[test]
    fn fragments_find_their_call() {
        let (a, b, whole) = ("{\"n\":", "1}", "{\"n\":1}");
        let one = [("c1", "find", whole)];
        let nameless = [("", "find", whole)];
        is(&[f(Some(0), "c1", "find", ""), f(Some(0), "", "", a), f(Some(0), "", "", b)], &one);
        is(&[f(None, "c1", "find", ""), f(None, "", "", a), f(None, "", "", b)], &one);
        is(&[f(None, "", "find", a), f(None, "", "", b)], &nameless);
        is(&[f(Some(0), "c1", "find", a), f(Some(0), "c1", "", b)], &one);
        is(&[f(None, "c1", "find", a), f(None, "c1", "find", b)], &one);
        // another id with each fragment
        is(
            &[
                f(Some(0), "c1", "find", ""),
                f(Some(0), "c2", "", a),
                f(Some(0), "c3", "", b),
                f(Some(0), "c4", "", ""),
            ],
            &one,
        );
        // the name arrives in pieces
        is(&[f(Some(0), "c1", "fi", ""), f(Some(0), "", "nd", ""), f(Some(0), "", "", whole)], &one);
    }

    #[test]
    fn what_was_told_twice_is_one_call() {
        let whole = "{\"n\":1}";
        let one = [("c1", "find", whole)];
        is(&[f(Some(0), "c1", "find", whole), f(Some(0), "c1", "find", whole)], &one);
        is(&[f(None, "c1", "find", whole), f(None, "c1", "find", whole)], &one);
        is(&[f(None, "", "find", whole), f(None, "", "find", whole)], &[("", "find", whole)]);
        is(
            &[f(Some(0), "c1", "find", "{\"n\":"), f(Some(0), "", "", "1}"), f(Some(0), "c1", "find", whole)],
            &one,
        );
        is(&[f(Some(0), "c1", "find", whole), f(Some(0), "c9", "find", whole)], &one);
        is(&[f(Some(0), "c1", "find", "{}"), f(Some(0), "c1", "find", whole)], &one);
        is(
            &[
                f(Some(0), "c1", "find", "{\"n\""),
                f(Some(0), "c1", "", "{\"n\":"),
                f(Some(0), "c1", "", whole),
            ],
            &one,
        );
    }

    #[test]
    fn two_calls_are_two() {
        let (one, two) = ("{\"n\":1}", "{\"n\":2}");
        is(
            &[f(Some(0), "c1", "find", one), f(Some(0), "c2", "find", two)],
            &[("c1", "find", one), ("c2", "find", two)],
        );
        is(
            &[f(Some(0), "", "find", one), f(Some(0), "", "find", two)],
            &[("", "find", one), ("", "find", two)],
        );
        is(&[f(None, "", "find", one), f(None, "", "book", one)], &[("", "find", one), ("", "book", one)]);
        is(
            &[f(Some(0), "c1", "find", one), f(Some(1), "c2", "find", one)],
            &[("c1", "find", one), ("c2", "find", one)],
        );
        is(
            &[f(Some(0), "c1", "find", ""), f(Some(1), "c2", "find", one), f(Some(0), "", "", two)],
            &[("c1", "find", two), ("c2", "find", one)],
        );
        is(
            &[f(Some(0), "c1", "find", ""), f(Some(0), "c2", "book", "")],
            &[("c1", "find", ""), ("c2", "book", "")],
        );
    }

    #[test]
    fn arguments_are_what_the_model_wrote() {
        is(&[f(None, "c1", "find", json!({"n": 1}))], &[("c1", "find", "{\"n\":1}")]);
        is(
            &[f(None, "c1", "find", json!({})), f(None, "c1", "", "{\"n\":1}")],
            &[("c1", "find", "{\"n\":1}")],
        );
        is(&[f(None, "c1", "find", "\"{\\\"n\\\":1}\"")], &[("c1", "find", "{\"n\":1}")]);
        is(&[f(None, "c1", "find", "{\"n\": oops")], &[("c1", "find", "{\"n\": oops")]);
        is(&[f(None, "c1", "find", Value::Null)], &[("c1", "find", "")]);
        is(&[json!({"id": "c1", "name": "find", "parameters": {"n": 1}})], &[("c1", "find", "{\"n\":1}")]);
    }

    #[test]
    fn a_tool_is_found_by_the_name_a_model_gives_it() {
        let tools = ["find_booking".to_owned(), "book".to_owned()];
        for name in [
            " find_booking\n",
            "find booking",
            "functions.find_booking",
            "find_booking<|channel|>commentary",
            "Find_Booking",
        ] {
            assert_eq!(meant(name, &tools), "find_booking", "{name}");
        }
        assert_eq!(meant(" other ", &tools), "other");
    }
}
