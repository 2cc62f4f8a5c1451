//! Fetching documents from servers that refuse, lie, give too much or lead elsewhere. None of these reaches a parser.

use std::sync::Arc;
use std::time::Duration;

use adapters::documents::{ChildParser, DocumentLimits, ParserLimits, StoredDocuments};
use adapters::ids::RandomIds;
use adapters::objects::Objects;
use adapters::webhooks::{Guard, SystemLookup};
use domain::ids::{ClientId, DocumentId};
use domain::knowledge::DocumentFault;
use domain::ports::documents::{ContentAt, ContentOrder, DocumentReader as _, ReadError, WebAddress};
use domain::ports::objects::{ObjectKey, ObjectStore};
use domain::ports::vault::Vault;
use uuid::Uuid;

use crate::recordings::{OpenVault, Storage, answer, whole};

const CLIENT: ClientId = ClientId(Uuid::from_u128(1));

struct Reader {
    objects: Arc<Objects>,
    reader: StoredDocuments,
}

impl Reader {
    fn new(allow_private: bool, parser: &str) -> Self {
        let objects = Arc::new(Objects::in_memory());
        let guard = Guard::new(allow_private, Arc::new(SystemLookup));
        let limits = DocumentLimits {
            max_bytes: 300_000,
            silence: Duration::from_secs(5),
            whole: Duration::from_secs(30),
        };
        let stores = (objects.clone() as Arc<dyn ObjectStore>, Arc::new(OpenVault) as Arc<dyn Vault>);
        let parser = ChildParser::new(parser, ParserLimits::default());
        let reader = StoredDocuments::new(guard, stores, Arc::new(RandomIds), parser, limits).unwrap();
        Self { objects, reader }
    }

    /// What came of a content that cannot be read; nothing of it may be left.
    async fn refused(&self, content: ContentAt) -> ReadError {
        let (document, attempt) = (DocumentId(Uuid::from_u128(2)), Uuid::from_u128(3));
        let order = ContentOrder { client: CLIENT, document, attempt, content };
        let refused = self.reader.take(&order).await.unwrap_err();
        assert!(self.objects.list(CLIENT, 10).await.unwrap().is_empty());
        refused
    }

    async fn fetch(&self, url: &str) -> ReadError {
        self.refused(ContentAt::Url(WebAddress(url.to_owned()))).await
    }
}

fn reader() -> Reader {
    Reader::new(true, "no-such-program")
}

#[tokio::test]
async fn a_server_that_refuses_is_not_asked_again_and_one_that_is_away_is() {
    let answers = ["404 Not Found", "403 Forbidden", "410 Gone", "429 Too Many Requests", "503 Away"];
    let answers = answers.map(|status| answer(status, "Content-Length: 0\r\n", b""));
    let storage = Storage::with(answers.to_vec()).await;
    for _ in 0..3 {
        assert_eq!(reader().fetch(&storage.url()).await, ReadError::Never(DocumentFault::NotServed));
    }
    for code in ["429", "503"] {
        let away = reader().fetch(&storage.url()).await;
        assert!(matches!(&away, ReadError::NotYet(why) if why.contains(code)), "{away:?}");
    }
    // nobody listens any more
    let away = reader().fetch(&storage.url()).await;
    assert!(matches!(&away, ReadError::NotYet(why) if !why.contains("sig")), "{away:?}");
}

#[tokio::test]
async fn too_much_and_nothing_are_refused_and_half_is_fetched_again() {
    let declared = answer("200 OK", "Content-Length: 300001\r\n", b"x");
    let endless = answer("200 OK", "", &[b'x'; 400_000]);
    let half = answer("200 OK", "Content-Length: 1000\r\n", b"half");
    let storage = Storage::with(vec![declared, endless, whole(b""), half]).await;
    assert_eq!(reader().fetch(&storage.url()).await, ReadError::Never(DocumentFault::TooLarge));
    assert_eq!(reader().fetch(&storage.url()).await, ReadError::Never(DocumentFault::TooLarge));
    assert_eq!(reader().fetch(&storage.url()).await, ReadError::Never(DocumentFault::Empty));
    assert!(matches!(reader().fetch(&storage.url()).await, ReadError::NotYet(_)));
    for request in storage.asked.lock().unwrap().iter() {
        assert!(request.to_lowercase().contains("accept-encoding: identity"), "{request}");
    }
}

#[tokio::test]
async fn a_private_address_is_never_fetched_from() {
    let hidden = Storage::with(vec![whole(b"secret")]).await;
    let strict = Reader::new(false, "no-such-program");
    for address in
        [hidden.url().as_str(), "https://169.254.169.254/latest", "https://localhost/", "file:///etc/passwd"]
    {
        let refused = strict.fetch(address).await;
        assert_eq!(refused, ReadError::Never(DocumentFault::Unreachable), "{address}");
    }
    assert!(hidden.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_upload_that_is_gone_fails_and_a_parser_that_is_not_there_waits() {
    let key: ObjectKey = "clients/1/uploads/2/3".parse().unwrap();
    let gone = ContentAt::Object { key, declared: "text/plain".to_owned() };
    assert_eq!(reader().refused(gone).await, ReadError::Never(DocumentFault::UploadGone));
    let storage = Storage::with(vec![whole(b"text"); 3]).await;
    let missing = reader().fetch(&storage.url()).await;
    assert!(matches!(&missing, ReadError::NotYet(why) if why.contains("cannot start")), "{missing:?}");
    // programs that end without an answer, as they do and as the operating system makes them
    let silent = Reader::new(true, "true").fetch(&storage.url()).await;
    assert!(matches!(&silent, ReadError::NotYet(why) if why.contains("code 0")), "{silent:?}");
    let failing = Reader::new(true, "false").fetch(&storage.url()).await;
    assert!(matches!(&failing, ReadError::NotYet(why) if why.contains("code 1")), "{failing:?}");
}
