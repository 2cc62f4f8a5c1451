//! JSON bodies that may be left out.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::DeserializeOwned;

use super::json_body::from_json;
use super::raw_body::{RawBody, ReadBody};
use crate::problem::ApiError;

/// A JSON body; the default of `T` when the request has none.
#[derive(Debug)]
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest for OptionalJson<T> {
    type Error = ApiError;
    type Future = ReadOptional<T>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ReadOptional { body: ReadBody::begin(request, payload), request: request.clone(), kind: PhantomData }
    }
}

#[derive(Debug)]
pub struct ReadOptional<T> {
    body: ReadBody,
    request: HttpRequest,
    kind: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + Default> Future for ReadOptional<T> {
    type Output = Result<OptionalJson<T>, ApiError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let RawBody(bytes) = ready!(Pin::new(&mut this.body).poll(cx))?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Poll::Ready(Ok(OptionalJson(T::default())));
        }
        Poll::Ready(from_json(&this.request, &bytes).map(OptionalJson))
    }
}
