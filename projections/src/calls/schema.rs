//! The closed sets of words, for the OpenAPI document.

use domain::call::terms::{AnsweredBy, Direction, EndReason, EndedBy, Fault, RecordingStatus, Status};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::SchemaType, schema::Type};

macro_rules! words {
    ($($name:ident = $set:ident or $null:literal;)*) => {$(
        pub(super) fn $name() -> RefOr<Schema> {
            let mut words: Vec<Option<&str>> = $set::ALL.iter().map(|word| Some(word.as_str())).collect();
            let kind = if $null {
                words.push(None);
                SchemaType::from_iter([Type::String, Type::Null])
            } else {
                SchemaType::new(Type::String)
            };
            ObjectBuilder::new().schema_type(kind).enum_values(Some(words)).into()
        }
    )*};
}

words! {
    direction = Direction or false;
    status = Status or false;
    recording_status = RecordingStatus or false;
    end_reason = EndReason or true;
    ended_by = EndedBy or true;
    fault = Fault or true;
    answered_by = AnsweredBy or true;
}
