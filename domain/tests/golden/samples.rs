//! One fixed, fully populated value of every event type: what its newest golden file holds.
//!
//! A value here never changes once its file is released. When a payload gains an optional field, the specimen
//! keeps the field empty if it is left out of the bytes then; otherwise the shape needs its next schema number.

use domain::api_key::{
    ApiKeyCreated, ApiKeyDeleted, ApiKeyEvent, ApiKeyRevoked, ApiKeyRotated, ApiKeyUpdated, ApiKeyUsed,
    KeyTerms, KeyUsageEvent,
};
use domain::billing::BillingTerms;
use domain::call::report::{LegRef, LegRole, RuntimeBill};
use domain::call::terms::{
    AnsweredBy, CommandKind, Direction, EndReason, EndedBy, Fault, LostBecause, RecordingFormat,
    RemovedBecause, Speaker, SpeechOutcome,
};
use domain::call::*;
use domain::carrier_event::{CarrierInboxEvent, InboxReceived};
use domain::client::{
    ClientBillingChanged, ClientCreated, ClientEvent, ClientLimits, ClientLimitsChanged, ClientRenamed,
};
use domain::envelope::{Position, Time, Version};
use domain::history::{ExportEvent, ExportRequested, HistoryFilter, LogAccepted, LogAnchored, LogEvent};
use domain::ids::{
    AgentId, CallId, ClientId, ConversationId, IvrSessionId, MenuId, NumberId, SubjectId, UserId,
};
use domain::ivr::reference::{
    MenuReferenceEvent, MenuReferenceNoted, MenuReferencesClosed, MenuReferencesReopened,
};
use domain::leg::{LegBound, LegEvent};
use domain::login::{LoginEvent, LoginRefreshed, LoginRevoked, LoginStarted, RevokedFor};
use domain::merkle::Hash;
use domain::money::Money;
use domain::number::{NumberAdded, NumberEvent, NumberRemoved, NumberRerouted, Route};
use domain::origin::Origin;
use domain::phone::Party;
use domain::ports::vault::Sealed;
use domain::privacy::content::ContentLevel;
use domain::privacy::job::{
    CopiesCleaned, DataFound, JobCompleted, JobKind, JobRequested, KeysDestroyed, NamedBy, PrivacyJobEvent,
};
use domain::privacy::policy::{PolicyChanged, PolicyEvent, RetentionKind, RetentionRan};
use domain::provider::{AccountTerms, ProviderConfigured, ProviderEvent, ProviderKind, ProviderRemoved};
use domain::unique_name::{UniqueNameEvent, UniqueNameTaken};
use domain::upload::{UploadEvent, UploadPresigned, UploadReceived, UploadRemoved, UploadUsed};
use domain::user::{
    LoginFailed, PasswordChanged, Role, SignedOut, UserCreated, UserDeleted, UserEvent, UserTerms,
    UserUpdated,
};
use serde_bytes::ByteBuf;
use uuid::Uuid;

pub fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0193_8f6a_2b7c_7d1e_8a00_0000_0000_0000 | n)
}

pub fn at(micros: i64) -> Time {
    Time::from_timestamp_micros(1_768_472_430_123_456 + micros).unwrap()
}

pub fn party(text: &str) -> domain::personal::Personal<Party> {
    Party::new(text).into()
}

fn leg() -> LegRef {
    LegRef {
        control_id: Some("v3:ExAmPlE_0a1b2c3d4e5f-aaaa".to_owned()),
        leg_id: "0c9f1c52-f1f6-11f0-9a11-02420a0f0001".to_owned(),
        session_id: Some("0c9f0b10-f1f6-11f0-8b22-02420a0f0001".to_owned()),
        connection_id: Some("1900000000000000001".to_owned()),
    }
}

pub fn metadata() -> CallMetadata {
    let value = serde_json::json!({ "id": 7, "rush": true, "tags": ["a", null], "weight": 1.5, "far": -1 });
    [("order".to_owned(), value), ("note".to_owned(), "Grüße".into())].into()
}

pub fn call() -> Vec<CallEvent> {
    vec![
        CarrierEventReceived {
            provider: "telnyx".to_owned(),
            event_id: "5b0f8c1e-2f7a-4f0a-9c55-0d9f3b6a7e10".to_owned(),
            event_type: "call.initiated".to_owned(),
            occurred_at: at(0),
            disposition: Disposition::Applied,
            leg_role: LegRole::Main,
            raw: ByteBuf::from(br#"{"data":{"record_type":"event"}}"#.to_vec()).into(),
        }
        .into(),
        Received {
            foreign: false,
            provider: "telnyx".to_owned(),
            leg: leg(),
            direction: Direction::Inbound,
            from: Some(party("+12025550123")),
            to: Some(party("+12025550188")),
            number_id: Some(NumberId(id(1))),
            route: Some(Route::IvrMenu { id: MenuId(id(2)) }),
            at: at(1),
            ring_until: at(60_000_001),
        }
        .into(),
        LegIdentified {
            foreign: false,
            leg: leg(),
            direction: Direction::Inbound,
            from: Some(party("sip:desk@pbx.example.test")),
            to: Some(party("+12025550188")),
            number_id: Some(NumberId(id(1))),
            route: Some(Route::Agent { id: Some(AgentId(id(3))) }),
            appeared_at: Some(at(1)),
            at: at(2),
        }
        .into(),
        Queued {
            command_id: id(4),
            to: party("+12025550123"),
            from: Some(party("+12025550188")),
            agent_id: Some(AgentId(id(3))),
            menu_id: Some(MenuId(id(2))),
            metadata: metadata().into(),
            customer_id: None,
            max_duration_ms: 3_600_000,
            ring_timeout_ms: 30_000,
            record: true,
            runtime: domain::agent::AgentRuntime::Carrier,
            at: at(3),
        }
        .into(),
        DialStarted { effect_id: id(4), at: at(4), ring_until: at(40_000_004) }.into(),
        DialPostponed { effect_id: id(4), at: at(5) }.into(),
        DialUnknown { effect_id: id(4), at: at(6) }.into(),
        DialAccepted { effect_id: id(4), provider: "telnyx".to_owned(), leg: leg(), at: at(7) }.into(),
        Ringing { at: at(8) }.into(),
        Answered { at: at(9), ends_by: at(3_600_000_009) }.into(),
        AnswererDetected { answered_by: AnsweredBy::Machine, at: at(10) }.into(),
        EffectRequested { effect_id: id(5), at: at(11) }.into(),
        RejectRequested { effect_id: id(6), cause: RejectCause::UnknownNumber, at: at(12) }.into(),
        HangUpRequested { effect_id: id(7), reason: EndReason::ApiHangup, by: EndedBy::Operator, at: at(13) }
            .into(),
        SpeechRequested {
            effect_id: id(8),
            seq: 1,
            text: "One moment, please.".to_owned().into(),
            at: at(14),
        }
        .into(),
        SpeechEnded { outcome: SpeechOutcome::CallHangup, at: at(15) }.into(),
        TransferRequested { effect_id: id(9), to: party("+12025550155"), at: at(16) }.into(),
        TransferConnected { at: at(17) }.into(),
        TransferFailed { provider_code: "user_busy".to_owned(), at: at(18) }.into(),
        DtmfRequested { effect_id: id(10), seq: 2, digits: "1ww23#".to_owned().into(), at: at(19) }.into(),
        DtmfReceived { seq: 3, place: None, digit: '4'.into(), gather: None, repeated: false, at: at(20) }
            .into(),
        DigitsGathered {
            digits: "42".to_owned().into(),
            status: "valid".to_owned(),
            gather: None,
            length: None,
            line: None,
            at: at(21),
        }
        .into(),
        LineTranscribed {
            seq: 4,
            place: None,
            speaker: Speaker::Caller,
            text: "two tickets please".to_owned().into(),
            confidence_permille: Some(940),
            at: at(22),
        }
        .into(),
        RecordingRequested { effect_id: id(11), format: RecordingFormat::Wav, at: at(23) }.into(),
        RecordingAvailable {
            recording_id: Some("9f0d6a0e-1111-4222-8333-944455566677".to_owned()),
            url: Some("https://storage.example.test/rec.mp3?sig=x".to_owned().into()),
            url_expires_at: Some(at(600_000_024)),
            format: Some(RecordingFormat::Mp3),
            duration_ms: Some(30_000),
            channels: None,
            at: at(24),
        }
        .into(),
        RecordingLost { reason: "Internal server error".to_owned(), at: at(25) }.into(),
        RecordingStored {
            effect_id: id(60),
            recording_id: Some("9f0d6a0e-1111-4222-8333-944455566677".to_owned()),
            file: StoredFile {
                object: "clients/01938f6a-2b7c-7d1e-8a00-000000000001/recordings/a/b.mp3".to_owned(),
                bytes: 104,
                sha256: "0".repeat(64).into(),
                content_type: "audio/mpeg".to_owned(),
                key: Some(Sealed { key: id(62), bytes: ByteBuf::from([7; 72]) }.into()),
            },
            channels: Some(2),
            at: at(42),
        }
        .into(),
        RecordingNotStored {
            effect_id: id(61),
            recording_id: Some("9f0d6a0e-1111-4222-8333-944455566678".to_owned()),
            because: LostBecause::TooLarge,
            attempts: 3,
            at: at(43),
        }
        .into(),
        RecordingRemoved {
            object: "clients/01938f6a-2b7c-7d1e-8a00-000000000001/recordings/a/b.mp3".to_owned(),
            because: RemovedBecause::Erased,
            at: at(44),
        }
        .into(),
        CommandAccepted { effect_id: id(8), command: CommandKind::Speak, attempts: 2, at: at(26) }.into(),
        CommandFailed {
            effect_id: id(9),
            command: CommandKind::Transfer,
            code: "90018".to_owned(),
            gone: true,
            attempts: 3,
            at: at(27),
        }
        .into(),
        CostRecorded {
            cost: Money { amount_micros: 14_400, currency: "USD".to_owned() },
            leg_id: leg().leg_id,
            at: at(28),
        }
        .into(),
        RuntimeBilled {
            provider: "ultravox".to_owned(),
            bill: RuntimeBill {
                duration_ms: 288_000,
                sip_ms: Some(300_000),
                status: "BILLING_STATUS_BILLED".to_owned(),
            },
            at: at(28),
        }
        .into(),
        TranscriptRequested { effect_id: id(61), early: false, at: at(28) }.into(),
        MetadataChanged { command_id: id(12), metadata: metadata().into(), at: at(29) }.into(),
        Merged { into: CallId(id(41)), leg_role: LegRole::Main, at: at(41) }.into(),
        Ended {
            reason: EndReason::CallerHangup,
            ended_by: EndedBy::Caller,
            fault: Fault::None,
            connected: true,
            provider_code: Some("normal_clearing".to_owned()),
            sip_code: Some(200),
            at: at(30),
        }
        .into(),
        EndCorrected(Ended {
            reason: EndReason::Cancelled,
            ended_by: EndedBy::Caller,
            fault: Fault::None,
            connected: false,
            provider_code: Some("originator_cancel".to_owned()),
            sip_code: Some(487),
            at: at(30),
        })
        .into(),
        IvrSessionRequested { session_id: IvrSessionId(id(40)), menu_id: MenuId(id(2)), at: at(31) }.into(),
        GatherRequested {
            effect_id: id(41),
            session_id: IvrSessionId(id(40)),
            seq: 5,
            text: "Press 1 for appointments.".to_owned().into(),
            max_digits: 4,
            terminator: Some('#'),
            secret: false,
            timeout_ms: 5_000,
            inter_digit_timeout_ms: 2_000,
            at: at(32),
        }
        .into(),
        IvrNotified {
            id: id(42),
            session_id: IvrSessionId(id(40)),
            news: IvrNews::Gathered {
                ask: id(41),
                digits: Some("12".to_owned().into()),
                length: 2,
                status: "valid".to_owned(),
            },
            ahead: None,
            at: at(33),
        }
        .into(),
        HangUpPlanned {
            effect_id: id(43),
            after: id(44),
            reason: EndReason::IvrCompleted,
            by: EndedBy::System,
            overdue_at: at(10_000_034),
            at: at(34),
        }
        .into(),
        TranscriptionRequested { effect_id: id(54), at: at(39) }.into(),
        AgentRequested { conversation_id: ConversationId(id(51)), agent_id: AgentId(id(52)), at: at(40) }
            .into(),
        ConversationNotified { id: id(53), conversation_id: ConversationId(id(51)), at: at(41) }.into(),
    ]
}

pub fn upload() -> Vec<UploadEvent> {
    vec![
        UploadPresigned {
            content_type: "audio/mpeg".to_owned(),
            max_bytes: 1_000_000,
            expires_at: at(900_000_000),
            at: at(0),
        }
        .into(),
        UploadReceived {
            object: "clients/01938f6a-2b7c-7d1e-8a00-000000000001/uploads/a/b".to_owned(),
            bytes: 104,
            sha256: "0".repeat(64),
            at: at(1),
        }
        .into(),
        UploadUsed { by: "call_01jd0xq8v4e5vsknk084sn02q7".to_owned(), at: at(2) }.into(),
        UploadRemoved { at: at(3) }.into(),
    ]
}

/// Of a call, with everything left out that may be.
pub fn sparse_call() -> Vec<CallEvent> {
    let leg = LegRef { control_id: None, session_id: None, connection_id: None, ..leg() };
    let full = call().into_iter();
    let sparse = full.map(|event| match event {
        CallEvent::Received(full) => {
            Received { leg: leg.clone(), from: None, to: None, number_id: None, route: None, ..full }.into()
        }
        CallEvent::LegIdentified(full) => LegIdentified {
            leg: leg.clone(),
            from: None,
            to: None,
            number_id: None,
            route: None,
            appeared_at: None,
            ..full
        }
        .into(),
        CallEvent::Queued(full) => Queued { from: None, agent_id: None, menu_id: None, ..full }.into(),
        CallEvent::LineTranscribed(full) => LineTranscribed { confidence_permille: None, ..full }.into(),
        CallEvent::RecordingSaved(full) => RecordingAvailable {
            recording_id: None,
            url: None,
            url_expires_at: None,
            format: None,
            duration_ms: None,
            ..full
        }
        .into(),
        CallEvent::RecordingStored(full) => RecordingStored {
            recording_id: None,
            file: StoredFile { key: None, ..full.file },
            channels: None,
            ..full
        }
        .into(),
        CallEvent::RecordingNotStored(full) => RecordingNotStored { recording_id: None, ..full }.into(),
        CallEvent::GatherRequested(full) => GatherRequested { terminator: None, ..full }.into(),
        CallEvent::Ended(full) => Ended { provider_code: None, sip_code: None, ..full }.into(),
        CallEvent::EndCorrected(EndCorrected(full)) => {
            EndCorrected(Ended { provider_code: None, sip_code: None, ..full }).into()
        }
        other => other,
    });
    sparse.collect()
}

pub fn number() -> Vec<NumberEvent> {
    let number = "+12025550188".parse::<domain::phone::E164>().unwrap();
    vec![
        NumberAdded {
            number: number.into(),
            route: Route::Agent { id: Some(AgentId(id(3))) },
            own_account: false,
            at: at(0),
        }
        .into(),
        NumberRerouted { before: None, route: Route::IvrMenu { id: MenuId(id(2)) }, at: at(1) }.into(),
        NumberRemoved { at: at(2) }.into(),
    ]
}

pub fn client() -> Vec<ClientEvent> {
    let after = ClientLimits {
        requests_per_minute: Some(600),
        calls_per_day: Some(10_000),
        concurrent_calls: Some(50),
        storage_bytes: Some(1 << 30),
    };
    let (before, renamed) = ("Example Travel".to_owned(), "Example Travels".to_owned());
    vec![
        ClientCreated { name: "Example Travel".to_owned(), at: at(0) }.into(),
        ClientLimitsChanged { before: ClientLimits::default(), after, origin: origin(), at: at(1) }.into(),
        ClientRenamed { before, after: renamed, origin: origin(), at: at(2) }.into(),
        ClientBillingChanged {
            before: BillingTerms::default(),
            after: BillingTerms { prepaid: true, credit_line: 5_000_000, low_at: Some(10_000_000) },
            origin: origin(),
            at: at(3),
        }
        .into(),
    ]
}

/// Of an API key.
pub fn api_key() -> Vec<ApiKeyEvent> {
    let terms = |name: &str, enabled| KeyTerms {
        name: name.to_owned(),
        scopes: vec!["calls:read".to_owned()],
        rate_limit: Some(3_600),
        usage_quota: None,
        enabled,
    };
    vec![
        ApiKeyCreated {
            name: "back office".to_owned(),
            key_prefix: "vx_AbCdEfG".to_owned(),
            key_hash: ByteBuf::from((0..32).collect::<Vec<u8>>()),
            scopes: vec!["calls:read".to_owned(), "calls:write".to_owned()],
            rate_limit: None,
            usage_quota: None,
            expires_at: None,
            origin: Origin::default(),
            at: at(0),
        }
        .into(),
        ApiKeyUpdated { before: terms("a", true), after: terms("b", false), origin: origin(), at: at(1) }
            .into(),
        ApiKeyRotated {
            key_prefix: "vx_Another".to_owned(),
            key_hash: ByteBuf::from((1..33).collect::<Vec<u8>>()),
            old_valid_until: at(60),
            origin: origin(),
            at: at(2),
        }
        .into(),
        ApiKeyRevoked { origin: origin(), at: at(5) }.into(),
        ApiKeyDeleted { origin: origin(), at: at(6) }.into(),
    ]
}

/// Of a key's use.
pub fn key_usage() -> Vec<KeyUsageEvent> {
    vec![
        ApiKeyUsed {
            count: 3,
            by_endpoint: [("GET /api/v1/calls".to_owned(), 3)].into(),
            last_used_at: at(3),
            at: at(4),
        }
        .into(),
    ]
}

pub fn origin() -> Origin {
    Origin::at(Some("203.0.113.7".to_owned()))
}

pub fn sealed() -> Sealed {
    Sealed { key: id(20), bytes: ByteBuf::from((0..40).collect::<Vec<u8>>()) }
}

pub fn user() -> Vec<UserEvent> {
    let terms = |role, enabled| UserTerms { role, enabled };
    vec![
        UserCreated {
            email: "ann@example.com".to_owned().into(),
            password: sealed(),
            role: Role::Developer,
            origin: origin(),
            at: at(0),
        }
        .into(),
        UserUpdated {
            before: terms(Role::Developer, true),
            after: terms(Role::Viewer, false),
            origin: origin(),
            at: at(1),
        }
        .into(),
        PasswordChanged { password: sealed(), origin: origin(), at: at(2) }.into(),
        SignedOut { origin: origin(), at: at(3) }.into(),
        LoginFailed { origin: origin(), at: at(4) }.into(),
        UserDeleted { origin: origin(), at: at(5) }.into(),
    ]
}

/// Of a provider's account.
pub fn provider() -> Vec<ProviderEvent> {
    let terms = |last4: &str| AccountTerms {
        provider: "telnyx".to_owned(),
        key_last4: last4.to_owned(),
        settings: [("connection_id".to_owned(), "1900000000000000001".to_owned())].into(),
    };
    vec![
        ProviderConfigured {
            kind: ProviderKind::Telephony,
            before: Some(terms("0001")),
            after: terms("0002"),
            api_key: sealed(),
            origin: origin(),
            at: at(0),
        }
        .into(),
        ProviderRemoved { kind: ProviderKind::Telephony, before: terms("0002"), origin: origin(), at: at(1) }
            .into(),
    ]
}

pub fn claim() -> Vec<UniqueNameEvent> {
    vec![UniqueNameTaken { owner: id(22), at: at(0) }.into()]
}

/// Of what leads to a menu.
pub fn menu_reference() -> Vec<MenuReferenceEvent> {
    vec![
        MenuReferenceNoted { category: "number".to_owned(), id: id(22), version: Version(3), at: at(0) }
            .into(),
        MenuReferencesClosed { at: at(1) }.into(),
        MenuReferencesReopened { at: at(2) }.into(),
    ]
}

pub fn export() -> Vec<ExportEvent> {
    let filter = HistoryFilter {
        client: Some(ClientId(id(1))),
        stream: Some(CallId(id(2)).stream()),
        types: vec!["call.ended".to_owned()],
        correlation_id: Some(id(3)),
        from: Some(at(0)),
        to: Some(at(1)),
    };
    let (first, last) = (Position(1), Position(1_000));
    vec![ExportRequested { filter, first, last, expires_at: at(2), at: at(0) }.into()]
}

/// Of the log itself.
pub fn log() -> Vec<LogEvent> {
    let note = |size: u64| format!("voxledger/log/x\n{size}\nAAAA\n\n— voxledger/log/x BBBB\n");
    vec![
        LogAnchored { size: 300, root: Hash([3; 32]), note: note(300), at: at(0) }.into(),
        LogAccepted {
            size: 250,
            root: Hash([4; 32]),
            note: note(250),
            superseded_size: 300,
            superseded_root: Some(Hash([3; 32])),
            superseded_note: Some(note(300)),
            at: at(1),
        }
        .into(),
    ]
}

pub fn login() -> Vec<LoginEvent> {
    let (user, token_hash) = (UserId(id(21)), ByteBuf::from((0..32).collect::<Vec<u8>>()));
    vec![
        LoginStarted {
            user,
            token_hash: token_hash.clone(),
            expires_at: at(100),
            origin: origin(),
            at: at(0),
        }
        .into(),
        LoginRefreshed { token_hash, expires_at: at(110), at: at(1) }.into(),
        LoginRevoked { reason: RevokedFor::Reuse, user, origin: origin(), at: at(2) }.into(),
    ]
}

/// Of a carrier's leg.
pub fn leg_bound() -> Vec<LegEvent> {
    let role = LegRole::TransferTarget;
    let (call, client) = (CallId(id(13)), ClientId(id(14)));
    vec![LegBound { call, client, role, at: at(0), own_account: false, instead_of: None }.into()]
}

/// Of a webhook that belongs to no call.
pub fn carrier_event() -> Vec<CarrierInboxEvent> {
    vec![
        InboxReceived {
            provider: "telnyx".to_owned(),
            event_id: "c0ffee00-2f7a-4f0a-9c55-0d9f3b6a7e10".to_owned(),
            event_type: "conference.created".to_owned(),
            occurred_at: at(0),
            raw: ByteBuf::from(vec![0xff, 0x00, 0x7b]).into(),
        }
        .into(),
    ]
}

pub fn privacy_job() -> Vec<PrivacyJobEvent> {
    let subject = SubjectId(id(60));
    vec![
        JobRequested {
            kind: JobKind::Erase,
            subject,
            named_by: NamedBy::CustomerId,
            persons: vec![subject, SubjectId(id(61))],
            origin: origin(),
            at: at(0),
        }
        .into(),
        KeysDestroyed { keys: vec![id(62)], forgotten_at: at(30_000_000), at: at(1) }.into(),
        DataFound {
            events: [("call.received".to_owned(), 3)].into(),
            streams: [("call".to_owned(), 2)].into(),
            values: 7,
            through: Position(41),
            at: at(2),
        }
        .into(),
        CopiesCleaned {
            views: vec!["calls".to_owned()],
            public_events: 4,
            attempts: 1,
            recordings: 1,
            recordings_left: 0,
            at: at(3),
        }
        .into(),
        JobCompleted { nothing_found: false, until: Some(at(86_400_000_000)), at: at(4) }.into(),
    ]
}

pub fn privacy_policy() -> Vec<PolicyEvent> {
    let call_content = Some(ContentLevel::BasicAttributesOnly);
    vec![
        PolicyChanged { call_content, origin: origin(), at: at(0) }.into(),
        RetentionRan {
            run: id(63),
            kind: RetentionKind::CallContent,
            before: None,
            destroyed: 12,
            at: at(1),
        }
        .into(),
    ]
}
