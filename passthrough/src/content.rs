//! Whether a call brings the body that its route takes, under the name that it has: nothing goes on that was not looked at.

use crate::event::Call;
use crate::refusal::Refusal;
use crate::route::Content;

/// Checks a call against what its route takes. A message without a content type is JSON, and goes on as such.
pub(crate) fn check(content: Content, call: &Call) -> Result<(), Refusal> {
    let given = call.header("content-type");
    match content {
        Content::Nothing if call.body.is_empty() => Ok(()),
        Content::Nothing => {
            Err(Refusal::invalid(format!("`{} {}` takes no body; leave it out", call.method, call.path)))
        }
        Content::Message if given.is_none_or(|given| is_of("application/json", given)) => Ok(()),
        Content::Message => Err(Refusal::other_content("application/json")),
        Content::File if given.is_some_and(|given| is_of("multipart/form-data", given)) => Ok(()),
        Content::File => Err(Refusal::other_content("multipart/form-data")),
    }
}

/// Whether a content type is the one that is taken; in no other character set than the one in which it is read here.
fn is_of(taken: &str, given: &str) -> bool {
    let mut parts = given.split(';').map(str::trim);
    let is_taken = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(taken));
    is_taken
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_brings_the_body_that_its_route_takes_or_is_refused() {
        let check = |content, body: &'static str, content_type: Option<&str>| {
            let headers = content_type.map(|given| ("content-type".to_owned(), given.to_owned())).into_iter().collect();
            let (method, path, query) = (http::Method::POST, "/v1/messages".to_owned(), String::new());
            let call = Call { method, path, query, headers, body: body.into() };
            check(content, &call).map_err(|refusal| refusal.status.as_u16())
        };
        for (content, body, content_type, expected) in [
            (Content::Nothing, "", None, Ok(())),
            (Content::Nothing, "", Some("application/json"), Ok(())),
            (Content::Nothing, "{}", None, Err(400)),
            (Content::Nothing, " ", Some("application/json"), Err(400)),
            (Content::Message, "{}", None, Ok(())),
            (Content::Message, "{}", Some("application/json"), Ok(())),
            (Content::Message, "{}", Some("Application/JSON; charset=UTF-8"), Ok(())),
            (Content::Message, "{}", Some("application/json;charset=\"utf-8\""), Ok(())),
            (Content::Message, "{}", Some("application/json; charset=utf-7"), Err(415)),
            (Content::Message, "{}", Some("application/json, text/plain"), Err(415)),
            (Content::Message, "{}", Some("application/jsonl"), Err(415)),
            (Content::Message, "{}", Some("text/plain"), Err(415)),
            (Content::Message, "{}", Some("multipart/form-data; boundary=x"), Err(415)),
            (Content::Message, "{}", Some(""), Err(415)),
            (Content::File, "--x", Some("multipart/form-data; boundary=x"), Ok(())),
            (Content::File, "--x", Some("application/json"), Err(415)),
            (Content::File, "--x", None, Err(415)),
        ] {
            assert_eq!(check(content, body, content_type), expected, "{content:?} {body} {content_type:?}");
        }
    }
}
