//! Answers requests that no handler matches: 404 for an unknown path, 405 for a known path with another method.

use std::sync::Arc;

use actix_web::dev::{Path, ResourceDef};
use actix_web::{HttpRequest, web};
use utoipa::openapi::{OpenApi, PathItem};

use crate::problem::ApiError;

/// Every path of the API with its methods, from the OpenAPI document. It must be in the app data, with
/// [`unmatched`] as the app's default service.
#[derive(Debug, Clone)]
pub struct Unmatched {
    routes: Arc<[(ResourceDef, String)]>,
}

impl Unmatched {
    #[must_use]
    pub fn of(document: &OpenApi) -> Self {
        let routes = document.paths.paths.iter();
        Self { routes: routes.map(|(path, item)| (ResourceDef::new(path.as_str()), methods(item))).collect() }
    }

    fn refuse(&self, path: &str) -> ApiError {
        let methods = |(route, methods): &(ResourceDef, String)| {
            route.capture_match_info(&mut Path::new(path)).then(|| methods.clone())
        };
        match self.routes.iter().find_map(methods) {
            Some(methods) => ApiError::method_not_allowed(methods),
            None => ApiError::route_not_found(),
        }
    }
}

fn methods(item: &PathItem) -> String {
    let all = [
        ("GET", &item.get),
        ("HEAD", &item.head),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    // every readable path also answers HEAD
    let head = |name: &str| name == "HEAD" && item.get.is_some();
    let taken = all.iter().filter(|(name, taken)| taken.is_some() || head(name));
    taken.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The app's default service: `App::new().default_service(web::to(unmatched))`. Always fails, with 404 or 405.
pub async fn unmatched(request: HttpRequest, known: web::Data<Unmatched>) -> Result<String, ApiError> {
    Err(known.refuse(request.path()))
}

#[cfg(test)]
mod tests {
    use utoipa::OpenApi as _;

    use super::*;
    use crate::problem::Code;

    #[utoipa::path(get, path = "/calls/{id}")]
    #[allow(clippy::allow_attributes, dead_code, reason = "each includer uses some of it")]
    fn read() {}

    #[utoipa::path(patch, path = "/calls/{id}")]
    #[allow(clippy::allow_attributes, dead_code, reason = "each includer uses some of it")]
    fn change() {}

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(read, change))]
    struct Sample;

    #[test]
    fn a_known_path_names_its_methods_and_an_unknown_one_is_not_found() {
        let unmatched = Unmatched::of(&Sample::openapi());
        let refused = unmatched.refuse("/calls/7");
        assert_eq!(
            (refused.code(), refused.detail()),
            (Code::MethodNotAllowed, "this path takes GET, HEAD, PATCH")
        );
        for path in ["/calls", "/calls/7/x", "/"] {
            assert_eq!(unmatched.refuse(path).code(), Code::RouteNotFound, "{path}");
        }
    }
}
