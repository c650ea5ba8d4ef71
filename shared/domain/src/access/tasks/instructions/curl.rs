//! SigV4-signed calls of the Claude Platform endpoint and of the passthrough function's URL: the AWS CLI has no command
//! for either (AWS user guide, "Making requests"; the AWS CLI reference lists none).

use serde_json::Value;

use crate::base::aws::Region;
use crate::base::shell::quote;

/// The service name that requests are signed for, and the prefix of its IAM actions.
pub(super) const SERVICE: &str = "aws-external-anthropic";

/// Fails with a hint unless the engineer's credentials stand where curl can take them; the AWS CLI's own files are not
/// read by curl. The session token stays unset for a user's own keys.
pub(super) const REQUIRE_CREDENTIALS: &str = ": \"${AWS_ACCESS_KEY_ID:?put the credentials into the environment \
    first}\" \"${AWS_SECRET_ACCESS_KEY:?put the credentials into the environment first}\"";

/// The regional endpoint of the Claude Platform.
#[must_use]
pub(crate) fn endpoint(region: &Region) -> String {
    format!("https://{SERVICE}.{region}.api.aws")
}

/// A GET of a path of the regional endpoint.
pub(super) fn get(region: &Region, path: &str) -> String {
    signed(region, path, "")
}

/// A POST with a JSON body.
pub(super) fn post(region: &Region, path: &str, body: &Value) -> String {
    let body = quote(&body.to_string());
    signed(region, path, &format!(" -X POST -H 'content-type: application/json' -d {body}"))
}

fn signed(region: &Region, path: &str, rest: &str) -> String {
    let url = quote(&format!("{}{path}", endpoint(region)));
    format!("curl -sS --fail-with-body {} -H 'anthropic-version: 2023-06-01'{rest} {url}", signature(region, SERVICE))
}

/// A call through the function URL that `url` prints, which ends in a slash. The status is printed behind the answer; a
/// refusal is no failure, since a check may expect one.
pub(super) fn through_function(
    region: &Region,
    url: &str,
    path: &str,
    workspace_id: &str,
    body: Option<&Value>,
) -> String {
    let workspace = quote(&format!("anthropic-workspace-id: {workspace_id}"));
    let body = body.map(|body| format!(" -H 'content-type: application/json' -d {}", quote(&body.to_string())));
    let (signature, body) = (signature(region, "lambda"), body.unwrap_or_default());
    format!("curl -sS -w '\\n%{{http_code}}\\n' {signature} -H {workspace}{body} \"$({url}){path}\"")
}

fn signature(region: &Region, service: &str) -> String {
    let scope = quote(&format!("aws:amz:{region}:{service}"));
    // curl drops a header without value, so a missing session token sends none.
    format!(
        "--aws-sigv4 {scope} --user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\" \
         -H \"x-amz-security-token:${{AWS_SESSION_TOKEN:+ $AWS_SESSION_TOKEN}}\""
    )
}
