//! Routes calls to their handlers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::codec::ProstCodec;
use tonic::server::Grpc;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use crate::append::{append, delete};
use crate::batch::batch_append;
use crate::cluster::now;
use crate::messages::{
    ClusterInfo, Empty, EndPoint, FOLLOWER, LEADER, MemberInfo, ReadReq, ReadResp, SupportedMethod,
    SupportedMethods, UuidMessage,
};
use crate::reads::{Plan, read_all, read_stream};
use crate::status;
use crate::subscriptions::{follow_all, follow_stream};
use crate::writes::Caller;

/// The most bytes of one message, as of the real server.
const MAX_MESSAGE: usize = 16_767_216;

type Answers<T> = BoxStream<'static, Result<T, Status>>;

/// The response to a call, to be awaited.
type Reply = Pin<Box<dyn Future<Output = http::Response<Body>> + Send>>;

pub fn route(caller: Caller, request: http::Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    let lists_features = caller.cluster.settings.lists_features;
    match path.trim_start_matches('/').split_once('/') {
        Some(("event_store.client.streams.Streams", method)) => streams(caller, method, request),
        Some(("event_store.client.gossip.Gossip", "Read")) => {
            call(request, move |_: Request<Streaming<Empty>>| async move { Ok(one(gossip(&caller))) })
        }
        Some(("event_store.client.server_features.ServerFeatures", "GetSupportedMethods"))
            if lists_features =>
        {
            call(request, move |_: Request<Streaming<Empty>>| async move { Ok(one(features(&caller))) })
        }
        _ => unknown(),
    }
}

fn streams(caller: Caller, method: &str, request: http::Request<Incoming>) -> Reply {
    match method {
        "Read" => call(request, move |request| read(caller, request)),
        "Append" => call(request, move |request: Request<Streaming<_>>| async move {
            admit_write(&caller, &request)?;
            Ok(one(append(&caller, request.into_inner()).await?))
        }),
        "BatchAppend" => call(request, move |request: Request<Streaming<_>>| async move {
            admit_write(&caller, &request)?;
            Ok(batch_append(caller, request.into_inner()))
        }),
        "Delete" | "Tombstone" => {
            let tombstone = method == "Tombstone";
            call(request, move |request: Request<Streaming<_>>| async move {
                admit_write(&caller, &request)?;
                Ok(one(delete(&caller, request.into_inner(), tombstone).await?))
            })
        }
        _ => unknown(),
    }
}

fn admit_write<T>(caller: &Caller, request: &Request<T>) -> Result<(), Status> {
    caller.cluster.admit(request.metadata())?;
    if !caller.cluster.is_alive(caller.node) {
        return Err(status::not_ready());
    }
    caller.cluster.check_leader(caller.node, request.metadata())
}

async fn read(caller: Caller, request: Request<Streaming<ReadReq>>) -> Result<Answers<ReadResp>, Status> {
    let cluster = caller.cluster.clone();
    cluster.admit(request.metadata())?;
    if !cluster.is_alive(caller.node) || cluster.faults.take_read() {
        return Err(status::not_ready());
    }
    let leader = cluster.check_leader(caller.node, request.metadata());
    let options = request.into_inner().message().await?.and_then(|message| message.options);
    let (plan, form) = Plan::of(options.ok_or_else(status::thrown)?)?;
    match plan {
        Plan::Stream { stream, from, backwards, count, compatible } => {
            leader?;
            read_stream(caller, (stream, from, backwards), count, compatible, form)
        }
        Plan::All { from, backwards, count, filter } => {
            leader?;
            read_all(caller, (from, backwards), count, filter, form)
        }
        Plan::FollowStream { stream, from } => follow_stream(caller, stream, from, form, leader.is_err()),
        Plan::FollowAll { from, filter } => follow_all(caller, from, filter, form, leader.is_err()),
    }
}

fn gossip(caller: &Caller) -> ClusterInfo {
    let cluster = &caller.cluster;
    let member = |(node, address): (usize, std::net::SocketAddr)| MemberInfo {
        instance_id: Some(UuidMessage::of(Uuid::from_u128(node as u128 + 1), false)),
        time_stamp: now(),
        state: if cluster.leader() == Some(node) { LEADER } else { FOLLOWER },
        is_alive: cluster.is_alive(node),
        http_end_point: Some(EndPoint { address: address.ip().to_string(), port: address.port().into() }),
    };
    ClusterInfo {
        members: cluster.addresses().enumerate().map(|(node, address)| member((node, address))).collect(),
    }
}

fn features(caller: &Caller) -> SupportedMethods {
    let method = |name: &str, features: &[&str]| SupportedMethod {
        method_name: name.to_owned(),
        service_name: "event_store.client.streams.streams".to_owned(),
        features: features.iter().map(|feature| (*feature).to_owned()).collect(),
    };
    SupportedMethods {
        methods: vec![
            method("read", &["position", "events"]),
            method("append", &[]),
            method("batchappend", &["deadline_duration"]),
            method("delete", &[]),
            method("tombstone", &[]),
        ],
        server_version: caller.cluster.settings.version.clone(),
    }
}

/// A stream of one response: a unary answer looks the same on the wire.
fn one<T: Send + 'static>(response: T) -> Answers<T> {
    stream::iter([Ok(response)]).boxed()
}

/// Decodes the requests, encodes the responses.
fn call<Req, Resp, F, Fut>(request: http::Request<Incoming>, handler: F) -> Reply
where
    Req: prost::Message + Default + Send + 'static,
    Resp: prost::Message + Send + 'static,
    F: FnOnce(Request<Streaming<Req>>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Answers<Resp>, Status>> + Send + 'static,
{
    Box::pin(async move {
        let codec = ProstCodec::<Resp, Req>::default();
        let mut grpc = Grpc::new(codec).max_decoding_message_size(MAX_MESSAGE);
        grpc.streaming(Once(Some(handler)), request).await
    })
}

fn unknown() -> Reply {
    Box::pin(async { Status::unimplemented("no such method").into_http() })
}

/// A handler of one call, in the form that tonic wants.
struct Once<F>(Option<F>);

impl<F, Fut, Req, Resp> tower_service::Service<Request<Streaming<Req>>> for Once<F>
where
    F: FnOnce(Request<Streaming<Req>>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Answers<Resp>, Status>> + Send + 'static,
    Req: Send + 'static,
{
    type Response = Response<Answers<Resp>>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Streaming<Req>>) -> Self::Future {
        let handler = self.0.take();
        Box::pin(async move {
            match handler {
                Some(handler) => handler(request).await.map(Response::new),
                None => Err(Status::internal("a call was made twice")),
            }
        })
    }
}
