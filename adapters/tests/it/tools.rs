//! Tools asked over real sockets: what their servers are sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adapters::tools::HttpTools;
use adapters::webhooks::{Guard, SystemLookup};
use domain::conversation::ToolOutcome;
use domain::envelope::Time;
use domain::ids::{AgentId, CallId, ClientId, ConversationId, ToolId};
use domain::ports::tools::{Behalf, ToolRunner as _, ToolUse};
use domain::tool::ToolMethod;
use domain::webhook::signing::SigningSecret;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use uuid::Uuid;

/// A request: its headers by name in lower case, and its body.
type Asked = (BTreeMap<String, String>, String);

/// A tool's server that answers with these statuses, one after the other, the last one for good.
async fn server(statuses: &'static [u16]) -> (String, Arc<Mutex<Vec<Asked>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/tool", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let kept = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut bytes = vec![0; 16 << 10];
            let read = socket.read(&mut bytes).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
            let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
            let headers = head.lines().filter_map(|line| line.split_once(": "));
            let headers =
                headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
            let status = {
                let mut kept = kept.lock().unwrap();
                kept.push((headers, body.to_owned()));
                statuses[(kept.len() - 1).min(statuses.len() - 1)]
            };
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked)
}

fn tools() -> HttpTools {
    HttpTools::new(Guard::new(true, Arc::new(SystemLookup))).unwrap()
}

fn secret(byte: u8) -> SigningSecret {
    SigningSecret::from_bytes([byte; 32]).unwrap()
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0193_8f6a_2b7c_7d1e_8a00_0000_0000_0000 | n)
}

fn asking(url: &str, method: ToolMethod) -> ToolUse {
    ToolUse {
        id: id(1),
        behalf: Behalf {
            client: ClientId(id(2)),
            agent: Some(AgentId(id(3))),
            conversation: ConversationId(id(4)),
            call: Some(CallId(id(5))),
            tool: ToolId(id(6)),
            tool_call: "call_abc".to_owned(),
        },
        secrets: vec![secret(2), secret(1)],
        now: Time::from_timestamp(1_767_225_600, 0).unwrap(),
        url: url.to_owned(),
        method,
        headers: vec![("x-tenant".to_owned(), "7".to_owned())],
        timeout: Duration::from_secs(5),
        parameters: json!({"type": "object"}),
        arguments: r#"{ "name": "Zoë" }"#.to_owned(),
    }
}

#[tokio::test]
async fn every_method_is_signed_over_the_very_bytes_it_is_sent_with() {
    for method in ToolMethod::ALL {
        let (url, asked) = server(&[200]).await;
        let wanted = asking(&url, method);
        assert_eq!(tools().run(&wanted).await.outcome, ToolOutcome::Succeeded);
        let (headers, body) = asked.lock().unwrap()[0].clone();
        assert_eq!(body.is_empty(), method.in_query(), "{method:?}");
        let message = wanted.message_id();
        let by = |byte| secret(byte).sign(&message, 1_767_225_600, body.as_bytes());
        assert_eq!(headers["webhook-signature"], format!("{} {}", by(2), by(1)), "{method:?}");
        assert_eq!((&headers["webhook-id"], headers["webhook-timestamp"].as_str()), (&message, "1767225600"));
        for (name, value) in [
            ("x-voxledger-client-id", ClientId(id(2)).to_string()),
            ("x-voxledger-agent-id", AgentId(id(3)).to_string()),
            ("x-voxledger-conversation-id", ConversationId(id(4)).to_string()),
            ("x-voxledger-call-id", CallId(id(5)).to_string()),
            ("x-voxledger-tool-id", ToolId(id(6)).to_string()),
            ("x-voxledger-tool-call-id", "call_abc".to_owned()),
            ("idempotency-key", id(1).to_string()),
            ("x-tenant", "7".to_owned()),
        ] {
            assert_eq!(headers[name], value, "{name}");
        }
    }
}

#[tokio::test]
async fn a_tool_without_a_secret_is_asked_as_ever_and_nobody_forges_what_is_not_there() {
    let (url, asked) = server(&[200]).await;
    let plain = asking(&url, ToolMethod::Post);
    let behalf =
        Behalf { call: None, agent: None, tool_call: "a\r\nx-forged: 1".to_owned(), ..plain.behalf.clone() };
    // set up before these names were ours
    let old = [
        "X-Voxledger-Call-Id",
        "x-voxledger-client-id",
        "webhook-signature",
        "Webhook-Id",
        "Idempotency-Key",
    ];
    let headers = old.map(|name| (name.to_owned(), "forged".to_owned())).to_vec();
    let tool = ToolUse { behalf, headers, secrets: vec![], ..plain };
    assert_eq!(tools().run(&tool).await.outcome, ToolOutcome::Succeeded);
    let (headers, _) = asked.lock().unwrap()[0].clone();
    for missing in [
        "x-voxledger-call-id",
        "x-voxledger-agent-id",
        "x-voxledger-tool-call-id",
        "webhook-id",
        "webhook-signature",
        "x-forged",
    ] {
        assert!(!headers.contains_key(missing), "{missing}: {headers:?}");
    }
    assert_eq!(headers["x-voxledger-client-id"], ClientId(id(2)).to_string());
    assert_eq!(headers["idempotency-key"], id(1).to_string());
}

#[tokio::test]
async fn only_what_surely_came_to_nothing_is_asked_once_more_with_the_same_ids() {
    for (statuses, times, outcome) in [
        (&[503, 200][..], 2, ToolOutcome::Succeeded),
        (&[503, 503, 200], 2, ToolOutcome::Failed),
        (&[500, 200], 1, ToolOutcome::Failed),
        (&[502, 200], 1, ToolOutcome::Failed),
        (&[429, 200], 1, ToolOutcome::Failed),
    ] {
        let (url, asked) = server(statuses).await;
        assert_eq!(tools().run(&asking(&url, ToolMethod::Post)).await.outcome, outcome, "{statuses:?}");
        let asked = asked.lock().unwrap().clone();
        assert_eq!(asked.len(), times, "{statuses:?}");
        assert!(asked.iter().all(|again| again == &asked[0]), "{asked:?}");
    }
    // within the time the tool has
    let (url, asked) = server(&[503]).await;
    let hasty = ToolUse { timeout: Duration::from_millis(150), ..asking(&url, ToolMethod::Post) };
    assert_eq!(tools().run(&hasty).await.outcome, ToolOutcome::TimedOut);
    assert_eq!(asked.lock().unwrap().len(), 1);
}
