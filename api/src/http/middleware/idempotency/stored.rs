//! An answer as it is kept, to be given again byte for byte.

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody as _, to_bytes};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// `true` on an answer that was given before.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What of the head belongs to the answer. The rest (`X-Request-Id`, rate limits) belongs to the one request.
const KEPT: [HeaderName; 3] = [CONTENT_TYPE, LOCATION, ETAG];
/// The longest body that is kept.
const LONGEST: u64 = 1 << 20;

/// Status, headers and body.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredAnswer {
    status: u16,
    headers: Vec<(String, ByteBuf)>,
    body: ByteBuf,
}

/// Whether a request that did something has come to its end with `status`, so that the same again could only be the same.
/// Who was stopped halfway, by a right that ended or a fault of ours, may try again under the same key.
pub(super) fn is_final(status: StatusCode) -> bool {
    match status.as_u16() {
        401 | 403 | 408 | 425 | 429 => false,
        200..300 | 400..500 => true,
        _ => false,
    }
}

/// Whether a body can be kept: one that is made while it is sent has no length and cannot.
pub(super) fn can_keep(response: &HttpResponse<BoxBody>) -> bool {
    match response.body().size() {
        BodySize::None => true,
        BodySize::Sized(length) => length <= LONGEST,
        BodySize::Stream => false,
    }
}

impl StoredAnswer {
    /// Takes the body out of the response and gives back one that holds it again.
    pub(super) async fn of(
        response: HttpResponse<BoxBody>,
    ) -> Result<(Self, HttpResponse<BoxBody>), actix_web::Error> {
        let (response, body) = response.into_parts();
        let bytes = to_bytes(body).await?;
        let header = |name: &HeaderName| {
            let value = response.headers().get(name)?;
            Some((name.to_string(), ByteBuf::from(value.as_bytes())))
        };
        let answer = Self {
            status: response.status().as_u16(),
            headers: KEPT.iter().filter_map(header).collect(),
            body: ByteBuf::from(bytes.to_vec()),
        };
        Ok((answer, response.set_body(bytes).map_into_boxed_body()))
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, rmp_serde::encode::Error> {
        rmp_serde::to_vec_named(self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, rmp_serde::decode::Error> {
        rmp_serde::from_slice(bytes)
    }

    /// The answer once more.
    pub(super) fn replay(self) -> HttpResponse<BoxBody> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = HttpResponse::build(status);
        for (name, value) in self.headers {
            // what a response had can stand in a response
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(&value)) {
                response.insert_header((name, value));
            }
        }
        response.insert_header((IDEMPOTENT_REPLAYED, HeaderValue::from_static("true")));
        match self.body.is_empty() {
            true => response.finish(),
            false => response.body(Bytes::from(self.body.into_vec())),
        }
    }
}
