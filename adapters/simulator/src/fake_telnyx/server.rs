//! The fake's HTTP API: the part of `https://api.telnyx.com/v2` that a voice application uses.

use std::any::Any;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Extensions, Server};
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, ContentType};
use actix_web::rt::time::timeout;
use actix_web::web::{Bytes, Data, Path, PayloadConfig, Query, delete, get, post, put, resource, route};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answers::Answer;
use super::paging::Paging;
use super::switch::{Manner, Reply, Switch};

/// How long an answer waits for a webhook that must arrive first.
const WEBHOOK_FIRST: Duration = Duration::from_secs(2);
/// Samples of a tenth of a second of silence, the content of every recording.
const RECORDED_SAMPLES: u32 = 800;

/// A second handle on a connection, to cut it with.
struct Wire(Option<TcpStream>);

pub(super) fn serve(switch: Arc<Switch>, listener: TcpListener) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::from(switch.clone()))
            .app_data(PayloadConfig::new(256 * 1024))
            .route("/v2/calls", post().to(dial))
            .route("/v2/calls/{id}", get().to(status))
            .service(
                resource("/v2/calls/{id}/actions/{name}").route(post().to(command)).route(put().to(command)),
            )
            .route("/v2/connections/{id}/active_calls", get().to(active_calls))
            .route("/v2/recordings", get().to(recordings))
            .route("/v2/recordings/{id}", get().to(recording_of))
            .route("/v2/recordings/{id}", delete().to(delete_recording))
            .route("/v2/detail_records", get().to(detail_records))
            .route("/recordings/{file}", get().to(recording))
            .default_service(route().to(|| async { plain(&Answer::not_found()) }))
    });
    let server = server.on_connect(remember_wire).workers(1).disable_signals().shutdown_timeout(1);
    Ok(server.listen(listener)?.run())
}

fn remember_wire(connection: &dyn Any, data: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<actix_web::rt::net::TcpStream>() {
        data.insert(Wire(stream.as_fd().try_clone_to_owned().ok().map(TcpStream::from)));
    }
}

async fn dial(request: HttpRequest, switch: Data<Switch>, body: Bytes) -> HttpResponse {
    let body = match admit(&request, &switch).and_then(|()| read(&body)) {
        Ok(body) => body,
        Err(answer) => return plain(&answer),
    };
    deliver(&request, &switch, switch.clone().into_inner().dial(body)).await
}

async fn command(
    request: HttpRequest,
    switch: Data<Switch>,
    path: Path<(String, String)>,
    body: Bytes,
) -> HttpResponse {
    let body = match admit(&request, &switch).and_then(|()| read(&body)) {
        Ok(body) => body,
        Err(answer) => return plain(&answer),
    };
    let (control_id, name) = path.into_inner();
    deliver(&request, &switch, switch.command(&control_id, &name, body)).await
}

async fn status(request: HttpRequest, switch: Data<Switch>, id: Path<String>) -> HttpResponse {
    if let Err(answer) = admit(&request, &switch) {
        return plain(&answer);
    }
    plain(&switch.leg(&id).map_or_else(Answer::not_found, |leg| Answer::ok(leg.resource(switch.clock.now()))))
}

async fn active_calls(
    request: HttpRequest,
    switch: Data<Switch>,
    id: Path<String>,
    paging: Query<Paging>,
) -> HttpResponse {
    if let Err(answer) = admit(&request, &switch) {
        return plain(&answer);
    }
    if *id != switch.config.connection_id {
        return plain(&Answer::not_found());
    }
    let now = switch.clock.now();
    let alive = switch.alive().into_iter().map(|leg| (leg.number, leg.resource(now))).collect();
    listed(paging.page(request.path(), alive))
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(rename = "filter[call_leg_id]")]
    leg_id: Option<String>,
    #[serde(rename = "filter[call_session_id]")]
    session_id: Option<String>,
}

async fn recordings(
    request: HttpRequest,
    switch: Data<Switch>,
    paging: Query<Paging>,
    wanted: Query<Wanted>,
) -> HttpResponse {
    if let Err(answer) = admit(&request, &switch) {
        return plain(&answer);
    }
    let wanted = [("call_leg_id", &wanted.leg_id), ("call_session_id", &wanted.session_id)];
    let found = switch.recordings().list(&wanted);
    listed(paging.page(request.path(), found))
}

/// Most records on a page.
const MOST_RECORDS: usize = 50;

async fn detail_records(
    request: HttpRequest,
    switch: Data<Switch>,
    paging: Query<Paging>,
    query: Query<Vec<(String, String)>>,
) -> HttpResponse {
    if let Err(answer) = admit(&request, &switch) {
        return plain(&answer);
    }
    let found = switch.detail_records().search(&query);
    match found {
        Ok(found) => listed(paging.into_inner().at_most(MOST_RECORDS).page(request.path(), found)),
        Err(answer) => plain(&answer),
    }
}

async fn recording_of(request: HttpRequest, switch: Data<Switch>, id: Path<String>) -> HttpResponse {
    if let Err(answer) = admit(&request, &switch) {
        return plain(&answer);
    }
    let found = switch.recordings().get(&id).cloned();
    plain(&found.map_or_else(Answer::not_found, Answer::ok))
}

async fn delete_recording(request: HttpRequest, switch: Data<Switch>, id: Path<String>) -> HttpResponse {
    if let Err(answer) = admit(&request, &switch) {
        return plain(&answer);
    }
    plain(&switch.recordings().delete(&id))
}

fn listed((entries, meta): (Vec<Value>, Value)) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "data": entries, "meta": meta }))
}

async fn recording(switch: Data<Switch>, file: Path<String>) -> HttpResponse {
    let times = file.split('.').next().and_then(|id| switch.recordings().asked_for(id));
    if times.is_none_or(|times| times <= switch.config.recordings_late) {
        return HttpResponse::NotFound().finish();
    }
    if file.ends_with(".mp3") {
        // silent MPEG-1 layer 3 frames of 26 ms: 32 kbit/s, 44.1 kHz, mono
        let mut frame = vec![0xff, 0xfb, 0x10, 0xc4];
        frame.resize(104, 0);
        return HttpResponse::Ok()
            .content_type("audio/mpeg")
            .body(frame.repeat(switch.config.recorded_frames));
    }
    HttpResponse::Ok().content_type("audio/wav").body(silence())
}

/// A WAV file: RIFF, 16-bit PCM, mono, 8 kHz.
fn silence() -> Vec<u8> {
    let (rate, bytes) = (8000_u32, RECORDED_SAMPLES * 2);
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1_u16, 1].map(u16::to_le_bytes).as_flattened());
    wav.extend([rate, rate * 2].map(u32::to_le_bytes).as_flattened());
    wav.extend([2_u16, 16].map(u16::to_le_bytes).as_flattened());
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    wav.resize(wav.len() + bytes as usize, 0);
    wav
}

fn admit(request: &HttpRequest, switch: &Switch) -> Result<(), Answer> {
    if let Some(trace) = request.headers().get("traceparent").and_then(|value| value.to_str().ok()) {
        switch.note_trace(trace);
    }
    let sent = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = sent.and_then(|value| value.strip_prefix("Bearer "));
    if key.is_some_and(|key| switch.config.api_key.is(key)) { Ok(()) } else { Err(Answer::unauthorized()) }
}

fn read(body: &[u8]) -> Result<Value, Answer> {
    if body.is_empty() {
        return Ok(json!({}));
    }
    let read = serde_json::from_slice(body).ok().filter(Value::is_object);
    read.ok_or_else(|| Answer::refused(400, "10015", "Malformed request", ""))
}

/// Sends the answer in the chosen manner.
async fn deliver(request: &HttpRequest, switch: &Switch, reply: Reply) -> HttpResponse {
    let Reply { answer, manner, gate } = reply;
    match manner {
        Manner::Plain => {}
        Manner::Drop => {
            if let Some(Wire(Some(stream))) = request.conn_data::<Wire>() {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        Manner::AfterWebhook(leg, number) => {
            drop(gate);
            let mut delivered = leg.fate.delivered.subscribe();
            let _ = timeout(WEBHOOK_FIRST, delivered.wait_for(|highest| *highest > number)).await;
            return plain(&answer);
        }
        Manner::Late(by) => {
            drop(gate);
            switch.clock.sleep(by).await;
            return plain(&answer);
        }
    }
    let mut response = plain(&answer);
    // dropped with the head of the answer, once that has been written
    response.extensions_mut().insert(gate);
    response
}

fn plain(answer: &Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    if answer.status == 429 {
        response.insert_header(("x-ratelimit-limit", "10"));
        response.insert_header(("x-ratelimit-remaining", "0"));
        response.insert_header(("x-ratelimit-reset", "1"));
    }
    response.content_type(ContentType::json()).body(answer.body.to_string())
}
