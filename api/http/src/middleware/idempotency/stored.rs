//! Stored form of an answer, which a repetition gets byte for byte.

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody as _, to_bytes};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Response header: `true` on an answer that is replayed.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Response headers that belong to the answer. The others (`X-Request-Id`, rate limits) belong to one request.
const KEPT: [HeaderName; 3] = [CONTENT_TYPE, LOCATION, ETAG];
/// Most bytes of a body that is stored.
const LONGEST: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
pub(super) struct StoredAnswer {
    status: u16,
    headers: Vec<(String, ByteBuf)>,
    body: ByteBuf,
}

/// Whether a request that did something is finished with `status`, so that a repetition could only give the same. A
/// request that was stopped halfway, by a lost right or a server fault, may be tried again under the same key.
pub(super) fn is_final(status: StatusCode) -> bool {
    match status.as_u16() {
        401 | 403 | 408 | 425 | 429 => false,
        200..300 | 400..500 => true,
        _ => false,
    }
}

/// Whether a body can be stored: a streamed body has no known length and cannot.
pub(super) fn can_keep(response: &HttpResponse<BoxBody>) -> bool {
    match response.body().size() {
        BodySize::None => true,
        BodySize::Sized(length) => length <= LONGEST,
        BodySize::Stream => false,
    }
}

impl StoredAnswer {
    /// Splits off the body for storing and returns an equal response.
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

    pub(super) fn replay(self) -> HttpResponse<BoxBody> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = HttpResponse::build(status);
        for (name, value) in self.headers {
            // headers that a response had are valid in a response
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
