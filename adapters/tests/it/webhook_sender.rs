//! Attempts against receivers of every kind, on real sockets.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use adapters::testing::ports::Refusing;
use adapters::webhooks::{Guard, HttpSender, Lookup, SenderConfig, SystemLookup};
use async_trait::async_trait;
use bytes::Bytes;
use domain::envelope::Time;
use domain::ports::webhooks::{WebhookRequest, WebhookSender};
use domain::webhook::delivery::{Attempt, ErrorClass, MAX_RESPONSE_BODY};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const QUICK: SenderConfig = SenderConfig {
    timeout: Duration::from_millis(400),
    connect_timeout: Duration::from_millis(300),
    body_timeout: Duration::from_millis(100),
};

/// Whom a name leads to, one answer after the other; the last one for good.
#[derive(Debug)]
struct Rebinding(Mutex<Vec<IpAddr>>);

#[async_trait]
impl Lookup for Rebinding {
    async fn lookup(&self, _: &str) -> std::io::Result<Vec<IpAddr>> {
        let mut answers = self.0.lock().unwrap();
        Ok(vec![if answers.len() > 1 { answers.remove(0) } else { answers[0] }])
    }
}

/// A receiver that answers with these bytes, piece by piece, then closes or stays silent.
struct Receiver {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<u8>>>,
    connections: Arc<AtomicUsize>,
}

async fn receiver(pieces: Vec<Vec<u8>>, close: bool) -> Receiver {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (requests, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let (kept, counted) = (requests.clone(), connections.clone());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let (pieces, kept) = (pieces.clone(), kept.clone());
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let Ok(read) = socket.read(&mut buffer).await else { return };
                kept.lock().unwrap().extend_from_slice(&buffer[..read]);
                for piece in pieces {
                    if socket.write_all(&piece).await.is_err() {
                        return;
                    }
                }
                if !close {
                    // silent, until the other side has had enough
                    while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
                }
            });
        }
    });
    Receiver { address, requests, connections }
}

fn request(url: &str) -> WebhookRequest {
    WebhookRequest {
        url: url.to_owned(),
        headers: vec![("webhook-id".into(), "evt_1".into()), ("x-tenant".into(), "7".into())],
        body: Bytes::from_static(b"{\"a\":1}"),
        now: Time::default(),
    }
}

fn lenient() -> HttpSender {
    HttpSender::new(Guard::new(true, Arc::new(SystemLookup)), QUICK).unwrap()
}

async fn attempt(pieces: &[&[u8]], close: bool) -> (Attempt, Receiver) {
    let receiver = receiver(pieces.iter().map(|piece| piece.to_vec()).collect(), close).await;
    let began = Instant::now();
    let attempt = lenient().send(&request(&format!("http://{}/hooks", receiver.address))).await;
    assert!(began.elapsed() < Duration::from_secs(20), "an attempt is bounded in time");
    let kept = attempt.body.as_ref().and_then(|body| body.reveal()).map_or(0, |body| body.len());
    assert!(kept <= MAX_RESPONSE_BODY);
    (attempt, receiver)
}

fn text(attempt: &Attempt) -> String {
    let body = attempt.body.as_ref().and_then(|body| body.reveal()).cloned().unwrap_or_default();
    String::from_utf8_lossy(&body).into_owned()
}

#[tokio::test]
async fn a_2xx_is_a_success_and_its_answer_is_kept() {
    let (done, receiver) = attempt(
        &[b"HTTP/1.1 202 Accepted\r\ncontent-type: text/plain\r\nserver: s\r\ncontent-length: 2\r\n\r\nok"],
        true,
    )
    .await;
    assert!(done.succeeded(), "{done:?}");
    assert_eq!((done.status, text(&done).as_str(), &*done.headers["server"]), (Some(202), "ok", "s"));
    assert_eq!(done.address, Some(receiver.address.to_string()));
    let sent = String::from_utf8(receiver.requests.lock().unwrap().clone()).unwrap();
    assert!(sent.starts_with("POST /hooks HTTP/1.1\r\n") && sent.ends_with("\r\n\r\n{\"a\":1}"), "{sent}");
    for header in ["webhook-id: evt_1", "x-tenant: 7", "content-type: application/json", "content-length: 7"]
    {
        assert!(sent.contains(&format!("{header}\r\n")), "{sent}");
    }
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let aim = receiver(vec![b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()], true).await;
    let answer = format!("HTTP/1.1 307 x\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", aim.address);
    let (done, _) = attempt(&[answer.as_bytes()], true).await;
    assert_eq!((done.status, done.error), (Some(307), Some(ErrorClass::Status)));
    assert!(done.headers["location"].contains(&aim.address.to_string()));
    assert_eq!(aim.connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_goes_wrong_is_told_apart() {
    let silent = receiver(vec![], false).await;
    let closing = receiver(vec![], true).await;
    let garbage = receiver(vec![b"SSH-2.0-OpenSSH_9\r\n".to_vec()], true).await;
    let refusing = Refusing::start().unwrap();
    let cases = [
        (format!("http://{}/", silent.address), ErrorClass::Timeout),
        (format!("http://{}/", closing.address), ErrorClass::Protocol),
        (format!("http://{}/", garbage.address), ErrorClass::Protocol),
        (format!("http://{}/", refusing.address), ErrorClass::Connect),
        (format!("https://{}/", garbage.address), ErrorClass::Tls),
        ("http://no-such-host.invalid/".to_owned(), ErrorClass::Dns),
    ];
    for (url, class) in cases {
        let done = lenient().send(&request(&url)).await;
        assert_eq!((done.error, done.status), (Some(class), None), "{url} {:?}", done.detail);
        let detail = done.detail.unwrap_or_default();
        assert!(!detail.is_empty() && !detail.contains("{\"a\"") && !detail.contains("/hooks"), "{detail}");
    }
}

#[tokio::test]
async fn an_address_that_may_not_be_delivered_to_is_never_connected_to() {
    let receiver = receiver(vec![b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()], true).await;
    let port = receiver.address.port();
    let strict = HttpSender::new(Guard::new(false, Arc::new(SystemLookup)), QUICK).unwrap();
    for url in [
        format!("https://127.0.0.1:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://localhost:{port}/"),
        format!("http://127.0.0.1:{port}/"),
        format!("https://2130706433:{port}/"),
    ] {
        let done = strict.send(&request(&url)).await;
        assert_eq!(done.error, Some(ErrorClass::Blocked), "{url} {:?}", done.detail);
    }
    assert_eq!(receiver.connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_when_it_is_connected_to_is_refused() {
    let receiver = receiver(vec![], true).await;
    let answers = vec!["8.8.8.8".parse().unwrap(), "127.0.0.1".parse().unwrap()];
    let guard = Guard::new(false, Arc::new(Rebinding(Mutex::new(answers))));
    let url = format!("https://rebinding.example:{}/", receiver.address.port());
    assert!(guard.reachable(&url).await.is_ok(), "it looked public when it was set up");
    let done = HttpSender::new(guard, QUICK).unwrap().send(&request(&url)).await;
    assert_eq!(done.error, Some(ErrorClass::Blocked), "{:?}", done.detail);
    assert_eq!(receiver.connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_answer_without_end_takes_neither_time_nor_memory() {
    let chunk = [b"1000\r\n".to_vec(), vec![b'x'; 0x1000], b"\r\n".to_vec()].concat();
    let endless: Vec<Vec<u8>> =
        std::iter::once(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec())
            .chain(std::iter::repeat_n(chunk, 2_000))
            .collect();
    let pieces: Vec<&[u8]> = endless.iter().map(Vec::as_slice).collect();
    let (done, _) = attempt(&pieces, false).await;
    assert!(done.succeeded(), "what counts is the status: {done:?}");
    assert_eq!(text(&done).len(), MAX_RESPONSE_BODY);
    // a head without end
    let line = format!("x-{}: {}\r\n", "a".repeat(50), "b".repeat(900)).into_bytes();
    let endless: Vec<Vec<u8>> =
        std::iter::once(b"HTTP/1.1 200 OK\r\n".to_vec()).chain(std::iter::repeat_n(line, 5_000)).collect();
    let pieces: Vec<&[u8]> = endless.iter().map(Vec::as_slice).collect();
    let (done, _) = attempt(&pieces, false).await;
    assert_eq!((done.status, done.error), (None, Some(ErrorClass::Protocol)), "{done:?}");
}

#[tokio::test]
async fn a_body_that_breaks_off_or_stalls_does_not_make_a_success_a_failure() {
    let (short, _) = attempt(&[b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this"], true).await;
    assert!(short.succeeded());
    assert_eq!(text(&short), "only this");
    let (stalled, _) = attempt(&[b"HTTP/1.1 500 x\r\ncontent-length: 100\r\n\r\nso far"], false).await;
    assert_eq!((stalled.status, text(&stalled).as_str()), (Some(500), "so far"));
    let (gzip, _) = attempt(
        &[b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00"],
        true,
    )
    .await;
    assert!(gzip.succeeded(), "nothing is unpacked");
}

/// A small generator of its own: the same bytes on every run.
struct Bytes64(u64);

impl Bytes64 {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

fn wild(dice: &mut Bytes64) -> Vec<Vec<u8>> {
    let status = dice.next(700);
    let mut head = match dice.next(8) {
        0 => (0..dice.next(200)).map(|_| dice.next(256) as u8).collect(),
        1 => format!("HTTP/1.1 {status}\r\n").into_bytes(),
        _ => format!("HTTP/1.1 {status} Whatever\r\n").into_bytes(),
    };
    for _ in 0..dice.next(6) {
        let name =
            ["retry-after", "location", "server", "content-type", "set-cookie", "webhook-id"][dice.next(6)];
        let value: Vec<u8> = (0..dice.next(60)).map(|_| dice.next(256) as u8).collect();
        head.extend([name.as_bytes(), b": ", &value, b"\r\n"].concat());
    }
    let body: Vec<u8> = (0..dice.next(9_000)).map(|_| dice.next(256) as u8).collect();
    let framing = match dice.next(4) {
        0 => "transfer-encoding: chunked\r\n\r\n".to_owned(),
        1 => "content-encoding: gzip\r\n\r\n".to_owned(),
        2 => format!("content-length: {}\r\n\r\n", dice.next(20_000)),
        _ => format!("content-length: {}\r\n\r\n", body.len()),
    };
    head.extend(framing.as_bytes());
    vec![head, body]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_receiver_answers_there_is_one_outcome() {
    let mut dice = Bytes64(0x9e37_79b9_7f4a_7c15);
    for _ in 0..40 {
        let attempts =
            (0..10).map(|_| (wild(&mut dice), dice.next(2) == 0)).map(|(pieces, close)| async move {
                let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
                attempt(&pieces, close).await.0
            });
        for done in futures::future::join_all(attempts).await {
            let consistent = match (done.status, done.error) {
                (Some(status), None) => (200..300).contains(&status),
                (Some(status), Some(ErrorClass::Status)) => !(200..300).contains(&status),
                (None, Some(class)) => class != ErrorClass::Status && done.detail.is_some(),
                _ => false,
            };
            assert!(consistent, "{done:?}");
        }
    }
}
