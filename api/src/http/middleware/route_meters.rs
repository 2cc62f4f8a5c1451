//! HTTP metrics, with their handles kept: looking them up by name and labels costs more than counting.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use metrics::{Counter, Histogram};

/// The handles of one worker thread. There are as many as routes, methods and statuses that occur together.
#[derive(Default)]
pub(super) struct RouteMeters {
    routes: RefCell<HashMap<String, Vec<Meter>>>,
}

struct Meter {
    method: &'static str,
    status: StatusCode,
    requests: Counter,
    seconds: Histogram,
}

impl RouteMeters {
    /// Counts a request. `route` is a template, never a path: paths are without number.
    pub(super) fn record(&self, route: &str, method: &'static str, status: StatusCode, took: Duration) {
        let mut routes = self.routes.borrow_mut();
        if !routes.contains_key(route) {
            routes.insert(route.to_owned(), Vec::new());
        }
        let Some(meters) = routes.get_mut(route) else { return };
        let known = meters.iter().position(|m| m.status == status && m.method == method);
        let n = known.unwrap_or_else(|| {
            meters.push(Meter::new(route, method, status));
            meters.len() - 1
        });
        meters[n].requests.increment(1);
        meters[n].seconds.record(took);
    }
}

impl Meter {
    fn new(route: &str, method: &'static str, status: StatusCode) -> Self {
        let route = route.to_owned();
        let requests = metrics::counter!(
            "voxledger_http_requests_total",
            "route" => route.clone(), "method" => method, "status" => status.as_u16().to_string()
        );
        let seconds =
            metrics::histogram!("voxledger_http_request_seconds", "route" => route, "method" => method);
        Self { method, status, requests, seconds }
    }
}

/// The method as a label; a made-up one must not make a metric of its own.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
