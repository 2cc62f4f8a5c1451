//! HTTP metrics with cached handles: a look-up by name and labels costs more than counting.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use domain::metrics::{HTTP_REQUEST_SECONDS, HTTP_REQUESTS};
use metrics::{Counter, Histogram};

/// Status classes, as the metrics name them.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Handles of one worker thread, one for each route and method in use.
#[derive(Default)]
pub(super) struct RouteMeters {
    routes: RefCell<HashMap<String, Vec<Meter>>>,
}

struct Meter {
    method: &'static str,
    requests: [Counter; CLASSES.len()],
    seconds: Histogram,
}

impl RouteMeters {
    /// Counts a request. `route` is a template, never a path: the number of paths is unbounded.
    pub(super) fn record(&self, route: &str, method: &'static str, status: StatusCode, took: Duration) {
        let mut routes = self.routes.borrow_mut();
        if !routes.contains_key(route) {
            routes.insert(route.to_owned(), Vec::new());
        }
        let Some(meters) = routes.get_mut(route) else { return };
        let known = meters.iter().position(|meter| meter.method == method);
        let n = known.unwrap_or_else(|| {
            meters.push(Meter::new(group(route), method));
            meters.len() - 1
        });
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES.len()) - 1;
        meters[n].requests[class].increment(1);
        meters[n].seconds.record(took);
    }
}

impl Meter {
    /// Registers all series at zero, except 1xx, which hardly occurs.
    fn new(group: &str, method: &'static str) -> Self {
        let requests = CLASSES.map(|class| {
            let labels =
                [("group", group.to_owned()), ("method", method.to_owned()), ("status", class.to_owned())];
            if class == "1xx" { Counter::noop() } else { metrics::counter!(HTTP_REQUESTS, &labels) }
        });
        let labels = [("group", group.to_owned()), ("method", method.to_owned())];
        Self { method, requests, seconds: metrics::histogram!(HTTP_REQUEST_SECONDS, &labels) }
    }
}

/// Group of a route: its first resource, else `system`, `console` or `unmatched`.
fn group(route: &str) -> &str {
    match route.strip_prefix("/api/v1/") {
        Some(rest) => rest.split('/').next().unwrap_or(rest),
        None => match route {
            "unmatched" => "unmatched",
            "/healthz" | "/readyz" | "/metrics" | "/version" => "system",
            _ if route.starts_with("/.well-known/") => "system",
            _ => "console",
        },
    }
}

/// The method as a label; unknown methods share one label, so that clients cannot create metrics.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_belongs_to_the_resource_at_its_head() {
        for (route, expected) in [
            ("/api/v1/calls/{id}/events", "calls"),
            ("/api/v1/conversation", "conversation"),
            ("/api/v1/ivr/menus/{id}", "ivr"),
            ("/readyz", "system"),
            ("/.well-known/jwks.json", "system"),
            ("/", "console"),
            ("unmatched", "unmatched"),
        ] {
            assert_eq!(group(route), expected);
        }
    }
}
