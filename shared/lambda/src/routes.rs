//! The route table: one list that says method, path, action, body and answer, and is dispatch and OpenAPI document
//! alike.

use domain::base::authorization::Action;
use schemars::{Schema, SchemaGenerator};

use crate::parameters::Path;

/// Longest path parameter that is looked at: longer than every id.
const PARAMETER_BYTES_MAX: usize = 160;

/// The methods that the API has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Reads; changes nothing.
    Get,
    /// Creates, or moves a thing from one state to the next.
    Post,
    /// Sets a thing as a whole.
    Put,
}

impl Method {
    /// The method's name in HTTP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// Generates one schema into a document's components.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// What a route answers with.
#[derive(Debug, Clone, Copy)]
pub enum AnswerSpec {
    /// JSON of this schema.
    Json(SchemaOf),
    /// A file.
    File,
    /// The OpenAPI document.
    Document,
}

/// One route.
#[derive(Debug, Clone)]
pub struct RouteSpec {
    /// The method.
    pub method: Method,
    /// The path, parameters in braces: `/v1/tasks/{id}/start`.
    pub path: &'static str,
    /// The function that owns it.
    pub function: &'static str,
    /// What is asked of the authorisation table; `None` on the public route.
    pub action: Option<Action>,
    /// One line for the document.
    pub summary: &'static str,
    /// The query parameters it knows.
    pub query: &'static [&'static str],
    /// Whether it answers by pages, and so knows `limit` and `cursor` as well.
    pub is_paged: bool,
    /// The body's schema; `None` where it takes none.
    pub body: Option<SchemaOf>,
    /// The answer.
    pub answer: AnswerSpec,
    /// The status of success; a repetition of it may answer 200.
    pub success: u16,
}

impl RouteSpec {
    /// The parameters when this route's path is `path`.
    fn parameters(&self, path: &str) -> Option<Path> {
        let mut parameters = Path::default();
        let mut given = path.split('/');
        for segment in self.path.split('/') {
            let value = given.next()?;
            match parameter_name(segment) {
                Some(name) => parameters.insert(name, value),
                None if segment == value => {}
                None => return None,
            }
        }
        let well_formed = |value: &str| {
            !value.is_empty() && value.len() <= PARAMETER_BYTES_MAX && value.bytes().all(|b| b.is_ascii_graphic())
        };
        (given.next().is_none() && parameters.values().all(well_formed)).then_some(parameters)
    }

    fn literal_segments(&self) -> usize {
        self.path.split('/').filter(|segment| parameter_name(segment).is_none()).count()
    }

    /// The names of the path's parameters, in order.
    pub fn parameter_names(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(parameter_name)
    }
}

fn parameter_name(segment: &'static str) -> Option<&'static str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// A route and what its path's parameters are.
#[derive(Debug, Clone)]
pub struct RouteMatch {
    /// Which of the routes.
    pub index: usize,
    /// The parameters.
    pub path: Path,
}

/// The route for a method and an already decoded path, as the gateway chooses it: literal segments before parameters.
pub fn find_route<'a>(routes: impl IntoIterator<Item = &'a RouteSpec>, method: &str, path: &str) -> Option<RouteMatch> {
    let matches = routes.into_iter().enumerate().filter(|(_, route)| route.method.as_str() == method);
    matches
        .filter_map(|(index, route)| {
            Some((route.literal_segments(), RouteMatch { index, path: route.parameters(path)? }))
        })
        .max_by_key(|(literals, _)| *literals)
        .map(|(_, found)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: Method, path: &'static str) -> RouteSpec {
        RouteSpec {
            method,
            path,
            function: "tests",
            action: Some(Action::ReadMe),
            summary: "",
            query: &[],
            is_paged: false,
            body: None,
            answer: AnswerSpec::File,
            success: 200,
        }
    }

    #[test]
    fn literal_segments_win_and_what_no_route_has_is_not_found() {
        let routes = [
            route(Method::Get, "/v1/spend/{id}"),
            route(Method::Get, "/v1/spend/explain"),
            route(Method::Get, "/v1/tasks/{id}/artifacts/{name}"),
            route(Method::Post, "/v1/spend/{id}"),
        ];
        let found = |method: &str, path: &str| find_route(&routes, method, path).map(|m| m.index);
        assert_eq!(found("GET", "/v1/spend/explain"), Some(1));
        assert_eq!(found("GET", "/v1/spend/run_1"), Some(0));
        assert_eq!(found("POST", "/v1/spend/explain"), Some(3));
        let artifact = find_route(&routes, "GET", "/v1/tasks/tsk_1/artifacts/policy.json");
        assert_eq!(artifact.map(|m| m.path.get("name").to_owned()).as_deref(), Some("policy.json"));
        let long = format!("/v1/spend/{}", "x".repeat(161));
        for nothing in
            ["", "/", "/v1/spend", "/v1/spend/", "/v1/spend/a/b", "//v1/spend/a", "/v1/spend/é", "/v1/spend/a b", &long]
        {
            assert_eq!(found("GET", nothing), None, "{nothing}");
        }
        assert_eq!(found("DELETE", "/v1/spend/a"), None);
        assert_eq!(found("get", "/v1/spend/a"), None);
    }
}
