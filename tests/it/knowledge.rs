//! Knowledge bases: documents are uploaded or fetched, read, found, replaced and removed; agents answer from them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tests::client::Api;
use tests::server::{Server, ServerOptions};
use tests::until::{SOON, until};

const KB: &str = "/api/v1/kb";

struct Node {
    server: Server,
    api: Api,
    data: tempfile::TempDir,
}

impl Node {
    fn start(set: &[(&str, &str)]) -> Result<Self> {
        let data = tempfile::tempdir()?;
        let embedded = ServerOptions::embedded(data.path()).set("CONVERSATIONS_MODEL_SENTIMENT", "false");
        let options = set.iter().fold(embedded, |options, (name, value)| options.set(name, value));
        let server = Server::start(&options)?;
        Ok(Self { api: Api::new(&server.base)?, server, data })
    }

    async fn base(&self, name: &str) -> Result<String> {
        let base = self.api.post(KB, json!({"name": name})).await?;
        assert_eq!(base.status, 201, "{}", base.body);
        Ok(text(&base.data()?, "id").to_owned())
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Uploads a file; answers the upload's id.
async fn upload(api: &Api, base: &str, content_type: &str, content: Vec<u8>) -> Result<String> {
    let size = content.len();
    let asked = json!({"file_name": "f", "content_type": content_type, "size_bytes": size});
    let promised = api.post(&format!("{KB}/{base}/files/presign"), asked).await?;
    assert_eq!(promised.status, 201, "{}", promised.body);
    let promised = promised.data()?;
    let put = reqwest::Client::builder().no_proxy().build()?.put(text(&promised, "url"));
    let put = put.header("content-type", text(&promised["headers"], "Content-Type")).body(content);
    let stored = put.send().await?;
    assert_eq!(stored.status(), 200, "{}", stored.text().await?);
    Ok(text(&promised, "upload_id").to_owned())
}

/// Ingests an upload as a new document; answers the document's path.
async fn ingest(api: &Api, base: &str, upload: &str, title: &str) -> Result<String> {
    let files = json!({"files": [{"upload_id": upload, "title": title}]});
    let taken = api.post(&format!("{KB}/{base}/files/ingest"), files).await?;
    assert_eq!(taken.status, 202, "{}", taken.body);
    Ok(format!("{KB}/{base}/documents/{}", text(&taken.data()?[0], "id")))
}

pub(crate) async fn add(
    api: &Api,
    base: &str,
    content_type: &str,
    title: &str,
    content: Vec<u8>,
) -> Result<String> {
    let upload = upload(api, base, content_type, content).await?;
    ingest(api, base, &upload, title).await
}

/// How long an unoptimised build may take to read and embed hundreds of pages, on a machine that is busy.
const READ: Duration = Duration::from_secs(90);

/// The document, once the node has done with its newest content.
pub(crate) async fn settled(api: &Api, document: &str) -> Result<Value> {
    until("the document is ready or failed", READ, async || {
        let document = api.get(document).await?.data()?;
        Ok(matches!(text(&document, "status"), "ready" | "failed").then_some(document))
    })
    .await
}

async fn search(api: &Api, base: &str, query: &str) -> Result<Vec<Value>> {
    let found = api.post(&format!("{KB}/{base}/search"), json!({"query": query})).await?;
    assert_eq!(found.status, 200, "{}", found.body);
    Ok(found.data()?.as_array().cloned().unwrap_or_default())
}

/// A PDF with a page of plain text for each of these.
fn pdf(pages: &[String], more_trailer: &str) -> Vec<u8> {
    let drawn = pages.iter().map(|page| {
        let lines: String = page.lines().map(|line| format!("({line}) Tj 0 -14 Td ")).collect();
        (String::new(), format!("BT /F1 11 Tf 50 780 Td {lines}ET").into_bytes())
    });
    pdf_of(drawn.collect(), more_trailer)
}

/// A PDF with a page for each of these contents: what stands in its dictionary beside the length, and its bytes.
fn pdf_of(contents: Vec<(String, Vec<u8>)>, more_trailer: &str) -> Vec<u8> {
    let kids: Vec<_> = (0..contents.len()).map(|n| format!("{} 0 R", 4 + 2 * n)).collect();
    let mut objects = vec![
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        format!("<</Type/Pages/Kids[{}]/Count {}>>", kids.join(" "), kids.len()).into_bytes(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>".to_vec(),
    ];
    for (n, (dictionary, content)) in contents.into_iter().enumerate() {
        let page = format!(
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents {} 0 R>>",
            5 + 2 * n
        );
        objects.push(page.into_bytes());
        let head = format!("<</Length {}{dictionary}>>stream\n", content.len());
        objects.push([head.as_bytes(), &content, b"\nendstream"].concat());
    }
    let (mut file, mut places) = (b"%PDF-1.5\n".to_vec(), Vec::new());
    for (n, object) in objects.iter().enumerate() {
        places.push(file.len());
        file.extend(format!("{} 0 obj\n", n + 1).bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let (table, size) = (file.len(), objects.len() + 1);
    let mut end = format!("xref\n0 {size}\n0000000000 65535 f \n");
    for place in places {
        let _ = writeln!(end, "{place:010} 00000 n ");
    }
    let _ = write!(end, "trailer\n<</Size {size}/Root 1 0 R{more_trailer}>>\nstartxref\n{table}\n%%EOF\n");
    file.extend(end.bytes());
    file
}

fn files_in(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).map(|path| if path.is_dir() { files_in(&path) } else { 1 }).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_read_found_replaced_and_removed() -> Result<()> {
    let node = Node::start(&[])?;
    let (api, base) = (&node.api, node.base("Clinic").await?);
    let hours = "# Clinic\n\n## Opening hours\n\nOn Saturdays we open from nine to one.\n\n## Parking\n\n\
        The garage is behind the house.\n";
    let document = add(api, &base, "text/markdown", "Hours", hours.into()).await?;
    let ready = settled(api, &document).await?;
    assert_eq!((text(&ready, "status"), text(&ready, "content_type")), ("ready", "text/markdown"), "{ready}");
    assert_eq!((&ready["revision"], &ready["ready_revision"]), (&json!(1), &json!(1)));
    let found = search(api, &base, "When do you open on Saturdays?").await?;
    assert!(text(&found[0], "text").contains("nine to one"), "{found:?}");
    assert_eq!(text(&found[0], "title"), "Hours");
    assert_eq!(found[0]["rank"]["keyword"], 1);
    for (least, expected) in [(0.1, true), (0.99, false)] {
        let near = json!({"query": "When do you open on Saturdays?", "min_similarity": least});
        let near = api.post(&format!("{KB}/{base}/search"), near).await?.data()?;
        let near = near.as_array().context("passages")?;
        assert_eq!(!near.is_empty(), expected, "{near:?}");
        assert!(near.iter().all(|one| one["similarity"].as_f64().is_some_and(|value| value >= least)));
    }
    let shown = api.get(&format!("{KB}/{base}")).await?;
    assert_eq!((&shown.body["data"]["documents"], text(&shown.body["data"], "status")), (&json!(1), "ready"));

    let upload_id = upload(api, &base, "text/plain", b"On Saturdays we are closed.".to_vec()).await?;
    let id = document.rsplit('/').next().context("an id")?;
    let files = json!({"files": [{"upload_id": upload_id, "title": "New hours", "document_id": id}]});
    let again = api.post(&format!("{KB}/{base}/files/ingest"), files.clone()).await?;
    assert_eq!(again.status, 202, "{}", again.body);
    let ready = settled(api, &document).await?;
    assert_eq!((&ready["revision"], &ready["ready_revision"]), (&json!(2), &json!(2)), "{ready}");
    // the same request again is no news, though the upload is used
    let repeated = api.post(&format!("{KB}/{base}/files/ingest"), files).await?;
    assert_eq!(repeated.status, 202, "{}", repeated.body);
    assert_eq!(settled(api, &document).await?["version"], ready["version"]);
    let found = search(api, &base, "Saturdays").await?;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(text(&found[0], "text").contains("closed"));
    let past = api.get(&format!("{document}?version=1")).await?.data()?;
    assert_eq!((text(&past, "status"), text(&past, "title")), ("queued", "Hours"));
    let types: Vec<_> = api.list_all(&format!("{document}/events")).await?;
    let types: Vec<_> = types.iter().map(|event| text(event, "type").to_owned()).collect();
    assert_eq!(types.first().map(String::as_str), Some("kb_document.ingested"));
    assert_eq!(types.iter().filter(|one| *one == "kb_document.ready").count(), 2);

    let objects = node.data.path().join("objects");
    until("only the newest content is kept", SOON, async || Ok((files_in(&objects) == 1).then_some(())))
        .await?;
    assert_eq!(api.send("DELETE", &document, &[], None).await?.status, 204);
    assert_eq!(api.get(&document).await?.status, 404);
    assert_eq!(search(api, &base, "Saturdays").await?, [] as [Value; 0]);
    until("its file is gone", SOON, async || Ok((files_in(&objects) == 0).then_some(()))).await?;
    let audit = api.list_all("/api/v1/audit/log").await?;
    for action in ["KB_CREATED", "KB_DOCUMENT_INGESTED", "KB_DOCUMENT_DELETED"] {
        assert!(audit.iter().any(|line| text(line, "action") == action), "{action}");
    }
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_format_is_read_and_what_cannot_be_read_says_why() -> Result<()> {
    let node = Node::start(&[])?;
    let (api, base) = (&node.api, node.base("Formats").await?);
    let pages = ["A shave costs twelve euros.".to_owned(), "A cut costs twenty.".to_owned()];
    let good: [(&str, Vec<u8>, &str); 4] = [
        ("application/pdf", pdf(&pages, ""), "twelve euros"),
        (
            "text/html",
            b"<!doctype html><title>T</title><p>The parrot is <b>green</b>.".to_vec(),
            "parrot is green",
        ),
        ("text/csv", b"animal;sound\ndog;woof\ncat;meow\n".to_vec(), "animal: cat; sound: meow"),
        ("text/plain", "Größe: zwölf Ellen.".into(), "zwölf Ellen"),
    ];
    for (content_type, content, expected) in good {
        let document = add(api, &base, content_type, content_type, content).await?;
        let ready = settled(api, &document).await?;
        assert_eq!(text(&ready, "status"), "ready", "{content_type}: {ready}");
        let found = search(api, &base, expected).await?;
        assert!(
            found.iter().any(|passage| text(passage, "text").contains(expected)),
            "{content_type} {found:?}"
        );
        assert_eq!(ready["pages"], if content_type == "application/pdf" { json!(2) } else { Value::Null });
    }
    let word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    let locked = "/Encrypt<</Filter/Standard/V 1/R 2/O(00000000000000000000000000000000)\
        /U(00000000000000000000000000000000)/P -4>>/ID[(0123456789abcdef)(0123456789abcdef)]";
    // sections that are long enough to be a passage each
    let sections: String =
        (0..10_001).map(|n| format!("# {n}\n\n{}\n\n", "Some text. ".repeat(30))).collect();
    let bad: [(&str, Vec<u8>, &str); 9] = [
        ("application/pdf", pdf(&vec!["x".to_owned(); 3_001], ""), "too_long"),
        ("text/markdown", sections.into(), "too_long"),
        ("text/plain", "word ".repeat(2 << 20).into(), "too_long"),
        ("application/pdf", pdf(&pages, locked), "encrypted"),
        ("application/pdf", pdf(&[String::new()], ""), "no_text"),
        ("application/pdf", b"%PDF-1.7\nand then nothing of it".to_vec(), "damaged"),
        ("text/plain", b"\x89PNG\r\n\x1a\n\0\0\0".to_vec(), "other_type"),
        (word, b"just words".to_vec(), "other_type"),
        ("text/csv", b" \n\n".to_vec(), "no_text"),
    ];
    for (content_type, content, failure) in bad {
        let document = add(api, &base, content_type, "bad", content).await?;
        let failed = settled(api, &document).await?;
        assert_eq!((text(&failed, "status"), text(&failed, "failure")), ("failed", failure), "{failed}");
        // the file did not change, so another try comes to the same
        let again = api.post(&format!("{document}/retry"), json!({})).await?;
        assert_eq!(again.status, 202, "{}", again.body);
        assert_eq!(text(&settled(api, &document).await?, "failure"), failure);
    }
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_unpacks_to_more_than_the_readers_memory_fails_alone() -> Result<()> {
    let node = Node::start(&[("DOCUMENTS_MEMORY_MIB", "256")])?;
    let (api, base) = (&node.api, node.base("Bombs").await?);
    let good =
        add(api, &base, "application/pdf", "Small", pdf(&["Tea costs two euros.".to_owned()], "")).await?;
    assert_eq!(text(&settled(api, &good).await?, "status"), "ready");

    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..320 {
        packer.write_all(&[b' '; 1 << 20])?;
    }
    let bomb = pdf_of(vec![("/Filter/FlateDecode".to_owned(), packer.finish()?)], "");
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let document = add(api, &base, "application/pdf", "Bomb", bomb).await?;
    let failed = settled(api, &document).await?;
    assert_eq!((text(&failed, "status"), text(&failed, "failure")), ("failed", "too_much_work"), "{failed}");
    assert!(!search(api, &base, "tea").await?.is_empty());
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_answered_clearly_and_change_nothing() -> Result<()> {
    let node = Node::start(&[])?;
    let (api, base) = (&node.api, node.base("Strict").await?);
    let presign = format!("{KB}/{base}/files/presign");
    let asked = |content_type: &str, size: u64| json!({"file_name": "f", "content_type": content_type, "size_bytes": size});
    assert_eq!(api.post(&presign, asked("application/pdf", 10 << 30)).await?.status, 413);
    assert_eq!(api.post(&presign, asked("application/pdf", 0)).await?.status, 422);
    assert_eq!(api.post(&presign, asked("application/zip", 5)).await?.status, 422);

    let ingest = format!("{KB}/{base}/files/ingest");
    let refused = async |body: Value, field: &str| -> Result<()> {
        let answer = api.post(&ingest, body).await?;
        assert_eq!(answer.status, 422, "{}", answer.body);
        let fields = answer.body["errors"].to_string();
        assert!(fields.contains(field), "{fields}");
        Ok(())
    };
    refused(json!({}), "files").await?;
    refused(json!({"urls": ["http://127.0.0.1:1/x"]}), "urls[0]").await?;
    refused(json!({"urls": ["https://169.254.169.254/latest/meta-data"]}), "urls[0]").await?;
    refused(json!({"urls": ["ftp://example.com/x"]}), "urls[0]").await?;
    let unknown = "upl_01jd0xq8v4e5vsknk084sn02q7";
    refused(json!({"files": [{"upload_id": unknown}]}), "files[0].upload_id").await?;

    // of another client: as if it did not exist
    let theirs = upload(api, &base, "text/plain", b"secret".to_vec()).await?;
    let other = api.post("/api/v1/auth/clients", json!({"name": "Other"})).await?.data()?;
    let other = api.with_key(other["plain_key"].as_str());
    let their_base = other.post(KB, json!({"name": "Theirs"})).await?.data()?;
    let path = format!("{KB}/{}/files/ingest", text(&their_base, "id"));
    let stolen = other.post(&path, json!({"files": [{"upload_id": theirs}]})).await?;
    assert_eq!(stolen.status, 422, "{}", stolen.body);
    assert_eq!(other.get(&format!("{KB}/{base}")).await?.status, 404);
    assert_eq!(other.post(&format!("{KB}/{base}/search"), json!({"query": "secret"})).await?.status, 404);
    let agent = other.post("/api/v1/agents", json!({"name": "Spy", "knowledge_base_ids": [base]})).await?;
    assert_eq!(agent.status, 422, "{}", agent.body);

    let find = format!("{KB}/{base}/search");
    assert_eq!(api.post(&find, json!({"query": ""})).await?.status, 422);
    assert_eq!(api.post(&find, json!({"query": "x".repeat(2_001)})).await?.status, 422);
    let large = api.post(&find, json!({"query": "x".repeat(1 << 20)})).await?.status;
    assert!(matches!(large, 413 | 422), "{large}");
    assert_eq!(api.post(&find, json!({"query": "x", "limit": 21})).await?.status, 422);
    let dimensions = json!({"name": "N", "embedding": {"provider": "hashed", "model": "m", "dimensions": 0}});
    assert_eq!(api.post(KB, dimensions).await?.status, 422);
    assert_eq!(api.list_all(&format!("{KB}/{base}/documents")).await?, [] as [Value; 0]);
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_answers_from_its_documents_and_the_message_says_which() -> Result<()> {
    let node = Node::start(&[])?;
    let (api, base) = (&node.api, node.base("Clinic").await?);
    let document =
        add(api, &base, "text/plain", "Hours", b"On Saturdays we open from nine to one.".to_vec()).await?;
    settled(api, &document).await?;
    let agent = json!({"name": "Desk", "provider": "scripted", "model": "scripted-1", "knowledge_base_ids": [base],
        "retrieval": {"limit": 3, "budget_ms": 5_000}});
    let agent = api.post("/api/v1/agents", agent).await?;
    assert_eq!(agent.status, 201, "{}", agent.body);
    let agent = agent.data()?;
    assert_eq!((&agent["knowledge_base_ids"], &agent["retrieval"]["limit"]), (&json!([base]), &json!(3)));
    let ask = json!({"message": "When do you open on Saturdays?", "agent_id": agent["id"]});
    let answer = api.post("/api/v1/conversation", ask).await?.data()?;
    let path = format!("/api/v1/conversations/{}/messages", text(&answer, "conversation_id"));
    let messages = api.list_all(&path).await?;
    let used = &messages[1]["retrieved"];
    assert_eq!(text(used, "grounds"), "found", "{messages:?}");
    assert_eq!(format!("{KB}/{base}/documents/{}", text(&used["passages"][0], "document_id")), document);
    assert!(text(&used["passages"][0], "excerpt").contains("nine to one"));
    assert_eq!(messages[0]["retrieved"], Value::Null);

    api.send("DELETE", &document, &[], None).await?;
    let ask = json!({"message": "And on Saturdays?", "conversation_id": answer["conversation_id"]});
    api.post("/api/v1/conversation", ask).await?.data()?;
    let messages = api.list_all(&path).await?;
    assert_eq!(text(&messages[3]["retrieved"], "grounds"), "nothing", "{messages:?}");
    let path = format!("/api/v1/analytics/unanswered?agent_id={}", text(&agent, "id"));
    let lacking = until("the question to be reported", SOON, async || {
        let all = api.list_all(&path).await?;
        Ok(all.into_iter().next())
    });
    let lacking = lacking.await?;
    assert_eq!(text(&lacking, "question"), "And on Saturdays?");
    assert_eq!((&lacking["message_id"], &lacking["answer"]), (&messages[3]["id"], &messages[3]["content"]));
    let other = "/api/v1/analytics/unanswered?agent_id=agt_01h455vb4pex5vsknk084sn02q";
    assert_eq!(api.list_all(other).await?, Vec::<Value>::new());
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_whose_model_has_no_account_says_so() -> Result<()> {
    let node = Node::start(&[])?;
    let api = &node.api;
    let model = json!({"provider": "google", "model": "gemini-embedding-001", "dimensions": 768});
    let base = api.post(KB, json!({"name": "Far", "embedding": model})).await?.data()?;
    assert_eq!(base["embedding"], model);
    let base = text(&base, "id").to_owned();
    let document = add(api, &base, "text/plain", "Hours", b"We open at nine.".to_vec()).await?;
    let failed = settled(api, &document).await?;
    assert_eq!(
        (text(&failed, "status"), text(&failed, "failure")),
        ("failed", "embedding_refused"),
        "{failed}"
    );
    let found =
        api.post(&format!("{KB}/{base}/search"), json!({"query": "nine", "min_similarity": 0.5})).await?;
    assert_eq!((&found.body["data"], &found.body["meta"]["words_only"]), (&json!([]), &json!(true)));
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_does_not_wait_for_a_model_that_hangs() -> Result<()> {
    // connections are taken, and nothing is ever answered
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}/v1", silent.local_addr()?);
    let node = Node::start(&[("OPENAI_API_BASE", &address), ("OPENAI_API_KEY", "sk-test")])?;
    let (api, near) = (&node.api, node.base("Near").await?);
    let document =
        add(api, &near, "text/plain", "Hours", b"On Saturdays we open from nine to one.".to_vec()).await?;
    settled(api, &document).await?;
    let model = json!({"provider": "openai", "model": "text-embedding-3-small", "dimensions": 768});
    let far = api.post(KB, json!({"name": "Far", "embedding": model})).await?.data()?;
    let agent = json!({"name": "Desk", "provider": "scripted", "model": "scripted-1",
        "knowledge_base_ids": [near, far["id"]], "retrieval": {"budget_ms": 3_000, "min_similarity": 0.01}});
    let agent = api.post("/api/v1/agents", agent).await?.data()?;
    let ask = json!({"message": "When do you open on Saturdays?", "agent_id": agent["id"]});
    let answer = api.post("/api/v1/conversation", ask).await?.data()?;
    let path = format!("/api/v1/conversations/{}/messages", text(&answer, "conversation_id"));
    let used = api.list_all(&path).await?[1]["retrieved"].clone();
    assert_eq!((text(&used, "grounds"), &used["words_only"]), ("found", &json!(true)), "{used}");
    assert!(used["took_ms"].as_u64().context("a time")? < 3_000, "{used}");
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_of_a_deleted_base_go_with_it() -> Result<()> {
    let node = Node::start(&[])?;
    let (api, base) = (&node.api, node.base("Gone").await?);
    for n in 0..3 {
        let document = add(api, &base, "text/plain", "D", format!("Number {n} of them.").into()).await?;
        settled(api, &document).await?;
    }
    assert_eq!(api.send("DELETE", &format!("{KB}/{base}"), &[], None).await?.status, 204);
    assert_eq!(api.get(&format!("{KB}/{base}")).await?.status, 404);
    assert_eq!(api.get(&format!("{KB}/{base}/documents")).await?.status, 404);
    let objects = node.data.path().join("objects");
    until("all files are gone", SOON, async || Ok((files_in(&objects) == 0).then_some(()))).await?;
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_while_it_reads_goes_on_where_it_stopped() -> Result<()> {
    let data = tempfile::tempdir()?;
    let options = ServerOptions::embedded(data.path());
    let server = Server::start(&options)?;
    let api = Api::new(&server.base)?;
    let base = text(&api.post(KB, json!({"name": "Crash"})).await?.data()?, "id").to_owned();
    let pages: Vec<String> =
        (0..300).map(|n| format!("Page {n} tells of the heron.\nAnd of the reed.")).collect();
    let document = add(&api, &base, "application/pdf", "Long", pdf(&pages, "")).await?;
    server.kill()?;
    let server = Server::start(&options)?;
    let api = Api::new(&server.base)?;
    let ready = settled(&api, &document).await?;
    assert_eq!((text(&ready, "status"), &ready["pages"]), ("ready", &json!(300)), "{ready}");
    assert!(!search(&api, &base, "heron page 250").await?.is_empty());
    let events = api.list_all(&format!("{document}/events")).await?;
    let ready = events.iter().filter(|event| text(event, "type") == "kb_document.ready").count();
    assert_eq!(ready, 1);
    server.terminate()?;
    Ok(())
}
