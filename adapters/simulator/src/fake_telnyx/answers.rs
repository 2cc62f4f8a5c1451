//! Answers of the fake to commands: success, or an error in Telnyx's form.

use serde_json::{Value, json};

/// An answer, independent of HTTP.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub status: u16,
    pub code: Option<&'static str>,
    pub body: Value,
}

impl Answer {
    pub fn ok(data: Value) -> Self {
        Self { status: 200, code: None, body: json!({ "data": data }) }
    }

    /// The answer to every accepted command, repeats included.
    pub fn accepted() -> Self {
        Self::ok(json!({ "result": "ok" }))
    }

    pub fn refused(status: u16, code: &'static str, title: &str, pointer: &str) -> Self {
        let mut error = json!({
            "code": code,
            "title": title,
            "detail": format!("{title}. A real answer explains it here at length, and may repeat what was sent."),
            "meta": { "url": format!("https://developers.telnyx.com/docs/overview/errors/{code}") },
        });
        if !pointer.is_empty() {
            error["source"] = json!({ "pointer": pointer });
        }
        Self { status, code: Some(code), body: json!({ "errors": [error] }) }
    }

    pub fn unauthorized() -> Self {
        Self::refused(401, "10009", "Authentication failed", "")
    }

    pub fn not_found() -> Self {
        Self::refused(404, "10005", "Resource not found", "")
    }

    pub fn unknown_call() -> Self {
        Self::refused(422, "90015", "Invalid Call Control ID", "/call_control_id")
    }

    pub fn call_over() -> Self {
        Self::refused(422, "90018", "Call has already ended", "")
    }

    pub fn not_answered() -> Self {
        Self::refused(422, "90034", "Call has not been answered yet", "")
    }

    pub fn too_many() -> Self {
        Self::refused(429, "10011", "Too many requests", "")
    }

    pub fn broken() -> Self {
        Self::refused(500, "10007", "Unexpected error", "")
    }
}
