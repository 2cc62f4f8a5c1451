//! The table of personal fields: whom each belongs to.

use super::Subject;

/// Whom a personal value belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectRule {
    /// The party it names; if it names none, as [`SubjectRule::Person`].
    Party,
    /// The person the stream is about: the other party of the call, never the client's own number. If no person is
    /// known, the stream's own subject.
    Person,
    /// The person the stream is about and everybody else whose number stands in the value: erasing any
    /// of them erases it.
    Mentioned,
    /// The actor that caused the event.
    Actor,
    /// The user whose stream it is.
    User,
    /// The party it names, and the stream itself: erasing either erases it.
    OwnParty,
    /// The customer that the event names by its id, and the stream itself: erasing either erases it.
    NamedCustomer,
    /// The customer whom it names in the client's own words, and the stream itself: erasing either erases it.
    OwnCustomer,
}

/// Whom the personal value in `field` of an event belongs to, by the name of the innermost field. `None`: the
/// field is not known to be personal, and must not be stored.
#[must_use]
pub fn subject_rule(event_type: &str, field: &str) -> Option<SubjectRule> {
    Some(match (event_type, field) {
        ("call.received" | "call.leg_identified" | "call.queued", "from" | "to") => SubjectRule::Party,
        ("call.transfer_requested", "to") => SubjectRule::Party,
        ("call.carrier_event_received" | "carrier_event.received", "raw") => SubjectRule::Mentioned,
        ("call.queued" | "call.metadata_changed", "metadata") => SubjectRule::Person,
        ("call.speech_requested" | "call.gather_requested" | "call.line_transcribed", "text") => {
            SubjectRule::Person
        }
        ("call.dtmf_requested" | "call.digits_gathered" | "call.ivr_notified", "digits") => {
            SubjectRule::Person
        }
        ("call.dtmf_received" | "call.ivr_notified", "digit") => SubjectRule::Person,
        ("call.recording_saved", "url") => SubjectRule::Person,
        ("call.recording_stored", "sha256" | "key") => SubjectRule::Person,

        ("ivr_session.started", "external_id") => SubjectRule::Person,
        ("ivr_session.digits_heard", "digits") => SubjectRule::Person,
        ("ivr_session.step_taken", "input") => SubjectRule::Person,
        ("ivr_session.collected", "value") => SubjectRule::Person,
        // a party, an agent or a text
        ("ivr_session.ended", "target") => SubjectRule::Party,
        ("ivr_session.transfer_requested" | "ivr_session.webhook_answered", "to") => SubjectRule::Party,
        ("ivr_session.collect_began" | "ivr_session.webhook_requested", "to") => SubjectRule::Party,
        ("ivr_menu.created" | "ivr_menu.updated", "to") => SubjectRule::Party,
        ("number.added", "number") => SubjectRule::Party,

        ("conversation.started", "user" | "metadata") => SubjectRule::Person,
        ("conversation.message_added" | "conversation.turn_completed", "content") => SubjectRule::Person,
        ("conversation.turn_completed", "excerpt") => SubjectRule::Person,
        ("conversation.function_executed", "content") => SubjectRule::Person,
        ("conversation.tools_called", "content" | "arguments" | "opaque") => SubjectRule::Person,
        ("conversation.summarised", "summary") => SubjectRule::Person,

        // whoever erases a number or a client's own name reaches the whole customer: with a stream that held
        // something of the person, the stream's own key goes
        (
            "customer.created" | "customer.updated" | "customer.merged" | "customer.merge_undone",
            field @ ("phones" | "external_id" | "name" | "emails" | "metadata"),
        ) => match field {
            "phones" => SubjectRule::OwnParty,
            "external_id" => SubjectRule::OwnCustomer,
            _ => SubjectRule::Person,
        },

        ("memory.recorded" | "memory.updated", "content") => SubjectRule::NamedCustomer,
        // no person is known: they are the document's own
        ("kb_document.ingested", "title" | "url") => SubjectRule::Person,
        ("kb_document.parsed", "sha256" | "key") => SubjectRule::Person,

        // a number, or anything else of the person
        ("hubspot_contact.property_changed", "value") => SubjectRule::OwnParty,

        ("delivery.attempted", "body" | "sent") => SubjectRule::Mentioned,
        ("user.created", "email") => SubjectRule::User,
        // the address of whoever did something over REST
        (_, "ip") => SubjectRule::Actor,
        _ => return None,
    })
}

/// Most other parties that a value is taken to mention.
const MOST: usize = 4;

/// Everybody whose number stands in the text: `+` and 7 to 15 digits, at the beginning of a JSON string, a SIP
/// address or a `tel:` URI. At most four, in the order they come.
#[must_use]
pub fn mentioned(text: &[u8]) -> Vec<Subject> {
    let mut found: Vec<Subject> = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].iter().position(|&byte| byte == b'+') {
        let plus = at + next;
        let digits = text[plus + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let end = plus + 1 + digits;
        at = end.max(plus + 1);
        let begins = plus == 0 || matches!(text[plus - 1], b'"' | b':' | b'\'' | b' ' | b'<' | b'=');
        let ends = !text.get(end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'/');
        let number = std::str::from_utf8(&text[plus..end]).ok().filter(|_| begins && ends);
        let Some(subject) = number.and_then(|number| number.parse::<crate::phone::E164>().ok()) else {
            continue;
        };
        let subject = Subject::Party(subject.as_str().to_owned());
        if !found.contains(&subject) {
            found.push(subject);
        }
        if found.len() == MOST {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_body_are_found_and_what_only_looks_like_one_is_not() {
        let body = br#"{"from":"+12025550100","to":"sip:+12025550101@x","again":"+12025550100",
            "time":"2026-01-01T00:00:00+02:00","state":"dm94+1234567890abc","short":"+123"}"#;
        let number = |text: &str| Subject::Party(text.to_owned());
        assert_eq!(mentioned(body), [number("+12025550100"), number("+12025550101")]);
        assert_eq!(mentioned(b""), []);
        let many: String = (0..9).map(|n| format!("\"+1202555010{n}\" ")).collect();
        assert_eq!(mentioned(many.as_bytes()).len(), MOST);
    }

    #[test]
    fn a_field_that_is_not_in_the_table_belongs_to_nobody() {
        assert_eq!(subject_rule("call.received", "from"), Some(SubjectRule::Party));
        assert_eq!(subject_rule("call.received", "text"), None);
        assert_eq!(subject_rule("call.teleported", "to"), None);
    }

    #[test]
    fn fields_that_the_golden_files_leave_out_belong_to_somebody() {
        for (event_type, field) in
            [("conversation.turn_completed", "excerpt"), ("kb_document.ingested", "url")]
        {
            assert_eq!(subject_rule(event_type, field), Some(SubjectRule::Person), "{event_type} {field}");
        }
    }
}
