//! The wire form of a webhook, read without copying and without trusting any field to have its promised type.
//!
//! Every property is optional in Telnyx's own schema and new ones appear without notice, so one flat struct holds
//! all the fields that we use, and a field of an unexpected type reads as missing.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The whole body of a webhook.
#[derive(Deserialize)]
pub(super) struct Webhook<'a> {
    #[serde(borrow, default)]
    pub data: Object<Data<'a>>,
    /// Only in the flat forms: API version 1 and the portal's debugger.
    #[serde(borrow, default)]
    pub event_type: Text<'a>,
}

#[derive(Deserialize)]
pub(super) struct Data<'a> {
    #[serde(borrow, default)]
    pub id: Text<'a>,
    #[serde(borrow, default)]
    pub event_type: Text<'a>,
    #[serde(borrow, default)]
    pub occurred_at: Text<'a>,
    #[serde(borrow, default)]
    pub payload: Object<Payload<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Payload<'a> {
    #[serde(borrow)]
    pub call_control_id: Text<'a>,
    #[serde(borrow)]
    pub call_leg_id: Text<'a>,
    #[serde(borrow)]
    pub call_session_id: Text<'a>,
    #[serde(borrow)]
    pub connection_id: Text<'a>,
    #[serde(borrow)]
    pub client_state: Text<'a>,
    #[serde(borrow)]
    pub from: Text<'a>,
    #[serde(borrow)]
    pub to: Text<'a>,
    #[serde(borrow)]
    pub occurred_at: Text<'a>,
    #[serde(borrow)]
    pub direction: Text<'a>,
    #[serde(borrow)]
    pub hangup_cause: Text<'a>,
    #[serde(borrow)]
    pub hangup_source: Text<'a>,
    #[serde(borrow)]
    pub sip_hangup_cause: Text<'a>,
    #[serde(borrow)]
    pub status: Text<'a>,
    #[serde(borrow)]
    pub digit: Text<'a>,
    #[serde(borrow)]
    pub digits: Text<'a>,
    #[serde(borrow)]
    pub result: Text<'a>,
    #[serde(borrow)]
    pub reason: Text<'a>,
    #[serde(borrow)]
    pub recording_id: Text<'a>,
    #[serde(borrow)]
    pub channels: Text<'a>,
    #[serde(borrow)]
    pub format: Text<'a>,
    #[serde(borrow)]
    pub recording_started_at: Text<'a>,
    #[serde(borrow)]
    pub recording_ended_at: Text<'a>,
    #[serde(borrow)]
    pub start_time: Text<'a>,
    #[serde(borrow)]
    pub end_time: Text<'a>,
    #[serde(borrow)]
    pub recording_urls: Object<Urls<'a>>,
    #[serde(borrow)]
    pub public_recording_urls: Object<Urls<'a>>,
    #[serde(borrow)]
    pub transcription_data: Object<Transcription<'a>>,
    #[serde(borrow)]
    pub total_cost: Text<'a>,
    #[serde(borrow)]
    pub cost_parts: First<CostPart<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Urls<'a> {
    #[serde(borrow)]
    pub mp3: Text<'a>,
    #[serde(borrow)]
    pub wav: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Transcription<'a> {
    #[serde(borrow)]
    pub transcript: Text<'a>,
    #[serde(borrow)]
    pub confidence: Text<'a>,
    #[serde(borrow)]
    pub is_final: Text<'a>,
    #[serde(borrow)]
    pub transcription_track: Text<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct CostPart<'a> {
    #[serde(borrow)]
    pub currency: Text<'a>,
}

/// A text, or a number or truth value as text; anything else, and an empty text, is missing.
#[derive(Default)]
pub(super) struct Text<'a>(Option<Cow<'a, str>>);

impl Text<'_> {
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }

    pub fn owned(&self) -> Option<String> {
        self.get().map(str::to_owned)
    }
}

/// An object; anything else is missing.
pub(super) struct Object<T>(pub Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// The first of a list of objects; the others are ignored.
pub(super) struct First<T>(pub Option<T>);

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor(PhantomData))
    }
}

struct TextVisitor<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for TextVisitor<'a> {
    type Value = Text<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'a>, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Text<'a>, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Text<'a>, E> {
        Ok(Text(Some(Cow::Borrowed(if value { "true" } else { "false" }))))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Text<'a>, E> {
        Ok(Text(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Text<'a>, E> {
        Ok(Text(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Text<'a>, E> {
        Ok(Text(Some(Cow::Owned(number.to_string()))))
    }

    fn visit_unit<E>(self) -> Result<Text<'a>, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Text<'a>, A::Error> {
        skip_list(list).map(|()| Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text<'a>, A::Error> {
        skip_map(map).map(|()| Text(None))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

macro_rules! scalars_are_missing {
    ($value:ident) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("anything")
        }

        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($value(None))
        }

        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($value(None))
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($value(None))
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($value(None))
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($value(None))
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($value(None))
        }
    };
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    scalars_are_missing!(Object);

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Object<T>, A::Error> {
        skip_list(list).map(|()| Object(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|value| Object(Some(value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FirstVisitor(PhantomData))
    }
}

struct FirstVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FirstVisitor<T> {
    type Value = First<T>;

    scalars_are_missing!(First);

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<First<T>, A::Error> {
        let first = list.next_element::<Object<T>>()?;
        skip_list(list)?;
        Ok(First(first.and_then(|object| object.0)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<First<T>, A::Error> {
        skip_map(map).map(|()| First(None))
    }
}

fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}
