//! An event store that encrypts personal fields.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use domain::envelope::{Actor, NewEvent, Position, Recorded, StreamId, Version};
use domain::ids::{ClientId, ConversationId, SubjectId};
use domain::ports::event_store::{AppendError, Appended, Direction, EventStore, Expected, ReadError};
use domain::ports::vault::VaultError;
use domain::privacy::content::{ContentLevel, is_keyed};
use domain::privacy::{
    About, CUSTOMER_FIELDS, Side, Subject, SubjectRule, about, customer, is_about_somebody, mentioned,
    named_customer, subject_rule,
};
use uuid::Uuid;

use super::form::{MOST_KEYS, Place, Sealed, seal, sealed_len};
use super::levels::Levels;
use super::persons::{Remembered, StreamSubjects};
use super::retention::{has_content, leads_of};
use super::walk::{Form, PersonalValue, bytes_of, find, write_bytes};
use crate::keys::{SubjectKey, SubjectKeyState, SubjectKeys};

const PAGE: usize = 512;

/// Wraps any engine's log: encrypts personal fields before they are appended and decrypts them when they are read.
///
/// Any engine recognises an event appended again by its id alone, so nonces may be random and the bytes of a retry
/// may differ from those of the first attempt.
#[derive(Debug, Clone)]
pub struct EncryptingEventStore {
    inner: Arc<dyn EventStore>,
    keys: SubjectKeys,
    persons: Arc<Remembered>,
    pub(super) levels: Arc<Levels>,
    /// The content level of clients that set none.
    pub(super) default_level: ContentLevel,
    /// The only event types whose personal data is decrypted; `None` for all.
    opens: Option<&'static [&'static str]>,
    /// Whether content that is not retained is decrypted.
    ephemeral: bool,
}

/// Why a payload could not be encrypted.
enum SealError {
    Refused(&'static str),
    Keys(VaultError),
    Log(ReadError),
}

impl From<VaultError> for SealError {
    fn from(error: VaultError) -> Self {
        Self::Keys(error)
    }
}

impl From<ReadError> for SealError {
    fn from(error: ReadError) -> Self {
        Self::Log(error)
    }
}

impl From<SealError> for AppendError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Refused(why) => AppendError::Refused(why),
            SealError::Keys(error) => {
                AppendError::Unavailable(format!("personal data cannot be sealed: {error}"))
            }
            SealError::Log(error) => AppendError::Unavailable(error.to_string()),
        }
    }
}

fn unreadable(error: VaultError) -> ReadError {
    ReadError::Unavailable(format!("personal data cannot be opened: {error}"))
}

/// An event with its personal fields.
struct Plan {
    event: usize,
    fields: Vec<Planned<SubjectId>>,
}

/// A personal field, its data subject, and whether it is not retained.
struct Planned<S> {
    found: PersonalValue,
    subjects: Vec<S>,
    ephemeral: bool,
}

impl EncryptingEventStore {
    /// Encrypts in front of `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn EventStore>, keys: SubjectKeys) -> Self {
        Self {
            inner,
            keys,
            persons: Arc::default(),
            levels: Arc::default(),
            default_level: ContentLevel::Everything,
            opens: None,
            ephemeral: true,
        }
    }

    /// Sets the content level of clients that set none.
    #[must_use]
    pub fn keeping(self, level: ContentLevel) -> Self {
        Self { default_level: level, ..self }
    }

    /// The log for views and auditors: content that is not retained stays encrypted.
    #[must_use]
    pub fn redacted(&self) -> Self {
        Self { ephemeral: false, ..self.clone() }
    }

    /// The log as it is stored, encrypted.
    #[must_use]
    pub fn stored(&self) -> Arc<dyn EventStore> {
        self.inner.clone()
    }

    #[must_use]
    pub fn keys(&self) -> &SubjectKeys {
        &self.keys
    }

    async fn seal(&self, stream: &StreamId, mut events: Vec<NewEvent>) -> Result<Vec<NewEvent>, SealError> {
        if !events.iter().any(|event| Form::Plain.may_be_in(&event.payload)) {
            return Ok(events);
        }
        let plans = self.plan(stream, &events).await?;
        // few entries: a list is quicker than a map
        let mut wanted: Vec<(ClientId, Vec<SubjectId>)> = Vec::with_capacity(1);
        for plan in &plans {
            let client = events[plan.event].client_id;
            let at = wanted.iter().position(|(of, _)| *of == client).unwrap_or_else(|| {
                wanted.push((client, Vec::with_capacity(4)));
                wanted.len() - 1
            });
            for subject in plan.fields.iter().flat_map(|field| &field.subjects) {
                if !wanted[at].1.contains(subject) {
                    wanted[at].1.push(*subject);
                }
            }
        }
        let mut keys: Vec<(ClientId, Arc<SubjectKey>)> = Vec::with_capacity(4);
        for (client, subjects) in &wanted {
            keys.extend(self.keys.sealing(*client, subjects).await?.into_iter().map(|key| (*client, key)));
        }
        // values encrypted together count up from one random nonce, which is as unlikely to repeat as random ones
        let mut nonce = u128::from_be_bytes(self.keys.random());
        for plan in plans {
            let event = &mut events[plan.event];
            let key = |subject: &SubjectId| {
                let found = keys.iter().find(|(of, key)| *of == event.client_id && key.subject == *subject);
                found.map(|(_, key)| key.clone()).ok_or(SealError::Keys(VaultError::Destroyed))
            };
            let fields = plan.fields.into_iter().map(|field| {
                let subjects = field.subjects.iter().map(key).collect::<Result<_, _>>()?;
                Ok(Planned { found: field.found, subjects, ephemeral: field.ephemeral })
            });
            let fields: Vec<Planned<Arc<SubjectKey>>> = fields.collect::<Result<_, SealError>>()?;
            event.payload = rewrite(stream, event, &fields, &mut nonce)?;
        }
        Ok(events)
    }

    /// Finds the personal fields and the data subject of each.
    async fn plan(&self, stream: &StreamId, events: &[NewEvent]) -> Result<Vec<Plan>, SealError> {
        let mut found = Vec::new();
        for (at, event) in events.iter().enumerate() {
            if Form::Plain.may_be_in(&event.payload) {
                let fields = find(&event.payload, Form::Plain)
                    .ok_or(SealError::Refused("a payload is not MessagePack"))?;
                if !fields.is_empty() {
                    found.push((at, fields));
                }
            }
        }
        let (mut shared, mut said) = (None, None);
        let mut plans = Vec::with_capacity(found.len());
        for (at, fields) in &found {
            let event = &events[*at];
            // a conversation is content only where it is on a call
            if stream.category() == ConversationId::CATEGORY && shared.is_none() {
                shared = Some(self.persons(stream, event, events, &found).await?);
            }
            let on_call = shared.is_some_and(|persons: StreamSubjects| persons.on_call);
            let level = match has_content(stream.category()) || on_call {
                true => {
                    let said = said.get_or_insert_with(|| events.iter().map(leads_of).collect::<Vec<_>>());
                    self.level_of(event.client_id, stream, (said, *at)).await?
                }
                false => ContentLevel::Everything,
            };
            let keyed = level != ContentLevel::Everything
                && is_keyed(&event.event_type, event.schema, &event.payload);
            let mut owned = Vec::with_capacity(fields.len());
            for field in fields {
                let value = &event.payload[field.value.clone()];
                let subjects = match subject_rule(&event.event_type, field.field()) {
                    None => return Err(SealError::Refused("a personal field belongs to nobody")),
                    Some(SubjectRule::User) => vec![self.name(event, &Subject::User(stream.id())).await?],
                    Some(SubjectRule::Actor) => vec![self.name(event, &actor(event, stream)).await?],
                    Some(SubjectRule::NamedCustomer) => {
                        let named = named_customer(&event.event_type, event.schema, &event.payload);
                        let named = named.map(|customer| Subject::Stream(customer.stream()));
                        let mut subjects = Vec::with_capacity(2);
                        for subject in named.into_iter().chain([Subject::Stream(stream.clone())]) {
                            subjects.push(self.name(event, &subject).await?);
                        }
                        subjects
                    }
                    Some(rule @ (SubjectRule::OwnParty | SubjectRule::OwnCustomer)) => {
                        let text = bytes_of(value).and_then(|text| std::str::from_utf8(text).ok());
                        let named = text.and_then(|text| match rule {
                            SubjectRule::OwnParty => Subject::of_party(text),
                            _ => Some(Subject::of_customer(text)),
                        });
                        let mut subjects = Vec::with_capacity(2);
                        for subject in named.into_iter().chain([Subject::Stream(stream.clone())]) {
                            subjects.push(self.name(event, &subject).await?);
                        }
                        subjects
                    }
                    Some(rule) => {
                        let named = match rule {
                            SubjectRule::Party => bytes_of(value)
                                .and_then(|text| std::str::from_utf8(text).ok())
                                .and_then(Subject::of_party),
                            _ => None,
                        };
                        match named {
                            Some(party) => vec![self.name(event, &party).await?],
                            None => {
                                let persons = match (stream.category(), shared) {
                                    // each attempt names its own subject
                                    ("delivery", _) | (_, None) => {
                                        self.persons(stream, event, events, &found).await?
                                    }
                                    (_, Some(known)) => known,
                                };
                                shared = Some(persons);
                                let mut subjects = vec![persons.person];
                                if rule == SubjectRule::Mentioned {
                                    self.mention(event, value, persons, &mut subjects).await?;
                                }
                                subjects
                            }
                        }
                    }
                };
                let mut subjects = subjects;
                let ephemeral = keyed || !level.keeps(&event.event_type, field.field());
                if ephemeral {
                    let own = self.name(event, &Subject::Stream(stream.clone())).await?;
                    self.ends_with(event.client_id, stream).await?;
                    if !subjects.contains(&own) {
                        subjects.truncate(MOST_KEYS - 1);
                        subjects.push(own);
                    }
                }
                owned.push(Planned { found: field.clone(), subjects, ephemeral });
            }
            plans.push(Plan { event: *at, fields: owned });
        }
        Ok(plans)
    }

    /// Adds everybody whose phone number is in the value, except the client's own number.
    async fn mention(
        &self,
        event: &NewEvent,
        value: &[u8],
        persons: StreamSubjects,
        subjects: &mut Vec<SubjectId>,
    ) -> Result<(), VaultError> {
        for subject in mentioned(bytes_of(value).unwrap_or_default()) {
            let id = self.name(event, &subject).await?;
            if Some(id) != persons.own && !subjects.contains(&id) && subjects.len() < MOST_KEYS {
                subjects.push(id);
            }
        }
        Ok(())
    }

    async fn name(&self, event: &NewEvent, subject: &Subject) -> Result<SubjectId, VaultError> {
        self.keys.pseudonym(event.client_id, subject).await
    }

    /// The data subjects of an event about to be appended: from the events appended with it, else from what is
    /// known of the stream.
    async fn persons(
        &self,
        stream: &StreamId,
        event: &NewEvent,
        events: &[NewEvent],
        found: &[(usize, Vec<PersonalValue>)],
    ) -> Result<StreamSubjects, SealError> {
        let category = stream.category();
        if !is_about_somebody(category) {
            return Ok(StreamSubjects {
                person: self.name(event, &Subject::Stream(stream.clone())).await?,
                own: None,
                on_call: false,
            });
        }
        let client = event.client_id;
        if category == "delivery" {
            let about = about(&event.event_type, event.schema, &event.payload);
            return self.about(client, stream, about).await;
        }
        for (at, other) in events.iter().enumerate().rev() {
            match about(&other.event_type, other.schema, &other.payload) {
                About::Parties(Side { person, own }) => {
                    let fields = found.iter().find(|(with, _)| *with == at).map(|(_, fields)| &fields[..]);
                    let party = |name: &str| {
                        let field = fields.unwrap_or_default().iter().find(|field| field.path == name)?;
                        let text = bytes_of(&other.payload[field.value.clone()])?;
                        Subject::of_party(std::str::from_utf8(text).ok()?)
                    };
                    let own = match party(own) {
                        Some(own) => Some(self.name(event, &own).await?),
                        None => None,
                    };
                    let person = party(person).unwrap_or_else(|| Subject::Stream(stream.clone()));
                    let person = self.name(event, &person).await?;
                    let persons = StreamSubjects { person, own, on_call: true };
                    self.persons.put(stream, persons);
                    return Ok(persons);
                }
                About::Customer => {
                    let named = customer(&other.event_type, other.schema, &other.payload);
                    let person = named.unwrap_or_else(|| Subject::Stream(stream.clone()));
                    let person = self.name(event, &person).await?;
                    let persons = StreamSubjects { person, own: None, on_call: false };
                    self.persons.put(stream, persons);
                    return Ok(persons);
                }
                About::Nothing => {}
                about => return self.about(client, stream, about).await,
            }
        }
        self.of_stream(client, stream).await
    }

    async fn about(
        &self,
        client: ClientId,
        stream: &StreamId,
        about: About,
    ) -> Result<StreamSubjects, SealError> {
        let persons = match about {
            About::Call(call) => {
                StreamSubjects { on_call: true, ..self.of_stream(client, &call.stream()).await? }
            }
            About::Conversation(talk) => Box::pin(self.of_stream(client, &talk.stream())).await?,
            About::Session(session) => Box::pin(self.of_stream(client, &session.stream())).await?,
            About::Nothing | About::Parties(_) | About::Customer => {
                let person = self.keys.pseudonym(client, &Subject::Stream(stream.clone())).await?;
                return Ok(StreamSubjects { person, own: None, on_call: false });
            }
        };
        self.persons.put(stream, persons);
        Ok(persons)
    }

    /// The data subjects of a stream, from its events. They need not be readable: their keys name the subjects.
    async fn of_stream(&self, client: ClientId, stream: &StreamId) -> Result<StreamSubjects, SealError> {
        if let Some(known) = self.persons.get(stream) {
            return Ok(known);
        }
        let unknown = self.keys.pseudonym(client, &Subject::Stream(stream.clone())).await?;
        let mut persons = StreamSubjects { person: unknown, own: None, on_call: false };
        let mut after = Version::NONE;
        loop {
            let page = self.inner.read_stream(stream, after, Direction::Forwards, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.version;
            for event in &page {
                match about(&event.event_type, event.schema, &event.payload) {
                    About::Parties(Side { person, own }) => {
                        let own = self.side(client, event, own).await?;
                        persons = StreamSubjects {
                            person: self.side(client, event, person).await?.unwrap_or(unknown),
                            own,
                            on_call: true,
                        };
                    }
                    About::Call(call) => {
                        let of_call = Box::pin(self.of_stream(client, &call.stream())).await?;
                        persons = StreamSubjects { on_call: true, ..of_call };
                    }
                    About::Customer => {
                        for field in CUSTOMER_FIELDS {
                            if let Some(person) = self.side(client, event, field).await? {
                                persons.person = person;
                                break;
                            }
                        }
                    }
                    About::Session(_) | About::Conversation(_) | About::Nothing => {}
                }
            }
        }
        if after != Version::NONE {
            self.persons.put(stream, persons);
        }
        Ok(persons)
    }

    /// The data subject whose number is in a field of a stored event.
    async fn side(
        &self,
        client: ClientId,
        event: &Recorded,
        field: &str,
    ) -> Result<Option<SubjectId>, VaultError> {
        let at = |form| find(&event.payload, form)?.into_iter().find(|found| found.path == field);
        if let Some(found) = at(Form::Sealed) {
            let sealed = bytes_of(&event.payload[found.value]).and_then(Sealed::read);
            let Some(id) = sealed.and_then(|sealed| sealed.keys().next()) else { return Ok(None) };
            return Ok(match self.keys.opening([(client, id)]).await?.get(&id) {
                Some(SubjectKeyState::Alive(key)) => Some(key.subject),
                Some(SubjectKeyState::Destroyed(subject)) => Some(*subject),
                Some(SubjectKeyState::Unknown) | None => None,
            });
        }
        // an event from before personal fields were encrypted
        let plain = at(Form::Plain).and_then(|found| {
            Subject::of_party(std::str::from_utf8(bytes_of(&event.payload[found.value])?).ok()?)
        });
        match plain {
            Some(subject) => self.keys.pseudonym(client, &subject).await.map(Some),
            None => Ok(None),
        }
    }

    /// Decrypts all values whose keys are alive.
    pub(super) async fn open(&self, mut events: Vec<Recorded>) -> Result<Vec<Recorded>, ReadError> {
        let mut sealed: Vec<(usize, Vec<PersonalValue>)> = Vec::new();
        let mut ids: Vec<(ClientId, Uuid)> = Vec::new();
        for (at, event) in events.iter().enumerate() {
            let wanted = self.opens.is_none_or(|types| types.contains(&event.event_type.as_str()));
            if !wanted || !Form::Sealed.may_be_in(&event.payload) {
                continue;
            }
            // the decoder reports payloads that are no MessagePack
            let Some(fields) = find(&event.payload, Form::Sealed) else { continue };
            for field in &fields {
                if let Some(value) = bytes_of(&event.payload[field.value.clone()]).and_then(Sealed::read) {
                    ids.extend(value.keys().map(|id| (event.client_id, id)));
                }
            }
            if !fields.is_empty() {
                sealed.push((at, fields));
            }
        }
        if sealed.is_empty() {
            return Ok(events);
        }
        ids.sort_unstable();
        ids.dedup();
        let keys = self.keys.opening(ids).await.map_err(unreadable)?;
        for (at, fields) in sealed {
            let event = &mut events[at];
            event.payload = opened(event, &fields, &keys, self.ephemeral).into();
        }
        Ok(events)
    }
}

/// The payload with these fields encrypted.
fn rewrite(
    stream: &StreamId,
    event: &NewEvent,
    fields: &[Planned<Arc<SubjectKey>>],
    nonce: &mut u128,
) -> Result<Vec<u8>, SealError> {
    let place = Place {
        client: event.client_id,
        stream,
        event: event.id,
        event_type: &event.event_type,
        schema: event.schema,
    };
    let plain = &event.payload;
    let mut payload = Vec::with_capacity(plain.len() + 160 * fields.len());
    let mut at = 0;
    for Planned { found, subjects: keys, ephemeral } in fields {
        payload.extend(&plain[at..found.whole.start]);
        payload.extend(Form::Sealed.head());
        write_bytes(&mut payload, sealed_len(keys.len(), found.value.len()));
        let value = &plain[found.value.clone()];
        *nonce = nonce.wrapping_add(1);
        if !seal(&mut payload, keys, nonce.to_be_bytes(), &place, (&found.path, *ephemeral), value) {
            return Err(SealError::Refused("a personal value is too large to be sealed"));
        }
        at = found.whole.end;
    }
    payload.extend(&plain[at..]);
    Ok(payload)
}

fn actor(event: &NewEvent, stream: &StreamId) -> Subject {
    match &event.metadata.actor {
        Actor::User(id) => Subject::User(*id),
        Actor::ApiKey(id) => Subject::ApiKey(*id),
        Actor::Carrier(_) | Actor::System(_) => Subject::Stream(stream.clone()),
    }
}

/// The payload with all values decrypted whose keys are alive; content that is not retained only if `all` is set.
fn opened(
    event: &Recorded,
    fields: &[PersonalValue],
    keys: &HashMap<Uuid, SubjectKeyState>,
    all: bool,
) -> Vec<u8> {
    let place = Place {
        client: event.client_id,
        stream: &event.stream,
        event: event.id,
        event_type: &event.event_type,
        schema: event.schema,
    };
    // one value that does not decrypt must not keep a node from the rest of its log: it reads as erased, and `audit
    // verify` shows what was altered
    let damaged = |field: &PersonalValue| {
        tracing::error!(
            position = event.position.0,
            field = field.path,
            "a personal value was altered or moved"
        );
    };
    let stored = &event.payload;
    let mut payload = Vec::with_capacity(stored.len());
    let mut bound = Vec::with_capacity(192);
    let mut at = 0;
    for field in fields {
        let sealed = bytes_of(&stored[field.value.clone()]).and_then(Sealed::read);
        let Some(sealed) = sealed else {
            damaged(field);
            continue;
        };
        let alive: Option<Vec<Arc<SubjectKey>>> = sealed
            .keys()
            .map(|id| match keys.get(&id) {
                Some(SubjectKeyState::Alive(key)) => Some(key.clone()),
                _ => None,
            })
            .collect();
        if let Some(alive) = alive.filter(|_| all || !sealed.is_ephemeral()) {
            let before = payload.len();
            payload.extend(&stored[at..field.whole.start]);
            payload.extend(Form::Plain.head());
            if sealed.open(&mut payload, &alive, (&place, &field.path), &mut bound) {
                at = field.whole.end;
            } else {
                payload.truncate(before);
                damaged(field);
            }
        }
    }
    payload.extend(&stored[at..]);
    payload
}

#[async_trait]
impl EventStore for EncryptingEventStore {
    async fn append(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        let events = self.seal(stream, events).await?;
        self.inner.append(stream, expected, events).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        self.open(self.inner.read_stream(stream, from, direction, limit).await?).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        self.open(self.inner.read_all(after, limit).await?).await
    }

    async fn head(&self) -> Result<Position, ReadError> {
        self.inner.head().await
    }

    async fn wait_past(&self, after: Position) {
        self.inner.wait_past(after).await;
    }

    fn for_reader_of(&self, types: &'static [&'static str]) -> Option<Arc<dyn EventStore>> {
        Some(Arc::new(Self { opens: Some(types), ephemeral: false, ..self.clone() }))
    }

    fn engine(&self) -> &'static str {
        self.inner.engine()
    }
}
