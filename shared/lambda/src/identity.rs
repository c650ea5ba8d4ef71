//! Who calls: from the claims that the gateway verified, and from nothing else.
//!
//! The gateway flattens claims to text, so `["a b"]` and `["a","b"]` arrive alike; therefore the groups are read as
//! an array from the payload of the bearer token, and count only where they are those of the claim that was verified.
//! A call that carries two tokens has none: which of them the gateway verified is not to be seen.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::base::people::{Actor, Role};
use domain::base::text::Sub;
use serde_json::{Map, Value};

use crate::call::Person;
use crate::environment::{Environment, EnvironmentError};
use crate::gateway::Request;
use crate::problem::Problem;

/// The variable that maps roles to groups: `{"finops-lead":["finops-lead"],…}`.
const ROLE_GROUPS: &str = "ROLE_GROUPS";
/// The claim that carries the groups.
const GROUPS_CLAIM: &str = "cognito:groups";

/// Which groups stand for which role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleGroups(BTreeMap<Role, BTreeSet<String>>);

impl RoleGroups {
    /// From the environment; unset, each role's group has the role's own name.
    pub(crate) fn from_env(env: &Environment) -> Result<Self, EnvironmentError> {
        let broken = |why: String| EnvironmentError::Broken { name: ROLE_GROUPS.to_owned(), why };
        let Some(json) = env.get(ROLE_GROUPS) else {
            return Ok(Self(Role::OF_PEOPLE.map(|role| (role, BTreeSet::from([role.as_str().to_owned()]))).into()));
        };
        let groups: BTreeMap<Role, BTreeSet<String>> = serde_json::from_str(json).map_err(|e| broken(e.to_string()))?;
        if groups.contains_key(&Role::System) {
            return Err(broken("no group stands for `system`".to_owned()));
        }
        if groups.values().flatten().any(|group| group.is_empty() || group.contains(char::is_whitespace)) {
            return Err(broken("a group's name is empty or holds white space".to_owned()));
        }
        Ok(Self(groups))
    }

    fn roles_of(&self, groups: &[&str]) -> impl Iterator<Item = Role> {
        self.0.iter().filter(|(_, names)| groups.iter().any(|g| names.contains(*g))).map(|(role, _)| *role)
    }
}

/// The caller. Every claim that is missing or malformed ends the call; none is replaced by a weaker one.
///
/// # Errors
/// 401 when the claims or the token are missing, malformed, or not of one another; 403 for a group with white space.
pub(crate) fn identify(request: &Request<'_>, groups: &RoleGroups) -> Result<(Actor, Person), Problem> {
    let verified = request.verified_claims().ok_or_else(|| unauthenticated("no verified token came with this call"))?;
    let payload =
        bearer_payload(request).ok_or_else(|| unauthenticated("send the ID token as `Authorization: Bearer …`"))?;
    let sub = text(&payload, "sub").ok_or_else(|| unauthenticated("the token has no `sub`"))?;
    if text(verified, "sub") != Some(sub) {
        return Err(unauthenticated("the token is not the one that was verified"));
    }
    if [verified, &payload].iter().any(|claims| text(claims, "token_use") != Some("id")) {
        return Err(unauthenticated("send the ID token (`token_use` is `id`), not another one"));
    }
    let sub: Sub = sub.parse().map_err(|_| unauthenticated("the token's `sub` is malformed"))?;
    let carried = groups_of(&payload)?;
    if !is_flattened_from(verified.get(GROUPS_CLAIM), &carried) {
        return Err(unauthenticated("the token's groups are not those that were verified"));
    }
    let actor = Actor::person(sub.clone(), groups.roles_of(&carried));
    let display = |claim: &str| text(&payload, claim).filter(|value| !value.is_empty()).map(str::to_owned);
    Ok((actor, Person { sub, name: display("name"), email: display("email") }))
}

fn groups_of(payload: &Map<String, Value>) -> Result<Vec<&str>, Problem> {
    let Some(claim) = payload.get(GROUPS_CLAIM) else { return Ok(Vec::new()) };
    let groups: Option<Vec<&str>> = claim.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
    let groups = groups.ok_or_else(|| unauthenticated("the token's groups are malformed"))?;
    if groups.iter().any(|group| group.contains(char::is_whitespace)) {
        let detail = "a group of your token has white space in its name, which is ambiguous; ask for it to be renamed";
        return Err(Problem::new(403, "ambiguous-group", detail));
    }
    Ok(groups)
}

/// Whether the verified claim is what the gateway makes of these groups: `[a b]` for a list (HTTP API), `a,b` or `a`
/// where something else in front of the functions wrote it. The order is the gateway's own.
fn is_flattened_from(verified: Option<&Value>, groups: &[&str]) -> bool {
    let carried: BTreeSet<&str> = groups.iter().copied().collect();
    let found: Option<BTreeSet<&str>> = match verified {
        None => Some(BTreeSet::new()),
        Some(Value::String(text)) => Some(match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(listed) => listed.split_whitespace().collect(),
            None => text.split(',').map(str::trim).filter(|group| !group.is_empty()).collect(),
        }),
        Some(Value::Array(list)) => list.iter().map(Value::as_str).collect(),
        Some(_) => None,
    };
    found == Some(carried)
}

/// The payload of the one token that the call carries, in the one form in which a token is sent. What could be read
/// as two, such as headers that were joined, is none.
fn bearer_payload(request: &Request<'_>) -> Option<Map<String, Value>> {
    let header = request.only_header("authorization")?;
    let token = match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token,
        Some(_) => return None,
        None => header,
    };
    if !token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return None;
    }
    let mut parts = token.split('.');
    let (_head, payload, _signature, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

fn unauthenticated(detail: &'static str) -> Problem {
    Problem::unauthenticated(detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn token(payload: &Value) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload.to_string()))
    }

    fn event(verified: &Value, payload: &Value) -> Value {
        let token = token(payload);
        json!({
            "version": "2.0", "headers": {"authorization": format!("Bearer {token}")},
            "requestContext": {"http": {"method": "GET"}, "authorizer": {"jwt": {"claims": verified}}},
        })
    }

    fn who(event: &Value) -> Result<(String, Vec<Role>), u16> {
        let groups = RoleGroups::from_env(&Environment::default()).map_err(|_| 500_u16)?;
        let request = Request::of(event).ok_or(0_u16)?;
        let (actor, _) = identify(&request, &groups).map_err(|p| p.status)?;
        Ok((actor.sub.to_string(), actor.roles.into_iter().collect()))
    }

    #[test]
    fn roles_come_from_the_groups_of_the_verified_token_and_from_nothing_else() {
        let claims = json!({"sub": "ana", "token_use": "id"});
        let with = |extra: Value| {
            let mut payload = claims.clone();
            payload.as_object_mut().into_iter().for_each(|p| p.extend(extra.as_object().cloned().unwrap_or_default()));
            let mut verified = claims.clone();
            if let Some(groups) = payload.get(GROUPS_CLAIM).and_then(Value::as_array) {
                let listed: Vec<&str> = groups.iter().filter_map(Value::as_str).collect();
                verified[GROUPS_CLAIM] = format!("[{}]", listed.join(" ")).into();
            }
            who(&event(&verified, &payload))
        };
        let ana = |roles: &[Role]| Ok(("ana".to_owned(), roles.to_vec()));
        assert_eq!(
            with(json!({"cognito:groups": ["finops-lead", "auditor", "else"]})),
            ana(&[Role::FinopsLead, Role::Auditor])
        );
        assert_eq!(with(json!({"cognito:groups": ["Finops-Lead", "system"]})), ana(&[]));
        assert_eq!(
            with(json!({"custom:role": "finops-lead", "role": "finops-lead", "groups": ["finops-lead"]})),
            ana(&[])
        );
        assert_eq!(with(json!({"cognito:groups": ["finops-lead auditor"]})), Err(403));
        assert_eq!(with(json!({"cognito:groups": ["auditor", "x\u{a0}y"]})), Err(403));
        assert_eq!(with(json!({"cognito:groups": "finops-lead"})), Err(401));
        assert_eq!(with(json!({"cognito:groups": ["finops-lead", 1]})), Err(401));
    }

    #[test]
    fn a_claim_that_is_missing_or_of_another_token_ends_the_call() {
        let good = json!({"sub": "ana", "token_use": "id"});
        for (verified, payload) in [
            (json!({"sub": "bob", "token_use": "id"}), good.clone()),
            (json!({"sub": "ana", "token_use": "access"}), good.clone()),
            (good.clone(), json!({"sub": "ana", "token_use": "access"})),
            (good.clone(), json!({"sub": "ana"})),
            (good.clone(), json!({"token_use": "id"})),
            (json!({}), json!({"token_use": "id"})),
            (json!({"sub": "", "token_use": "id"}), json!({"sub": "", "token_use": "id"})),
            (json!({"sub": "a#b", "token_use": "id"}), json!({"sub": "a#b", "token_use": "id"})),
            (json!({"sub": ["ana"], "token_use": "id"}), json!({"sub": ["ana"], "token_use": "id"})),
            (good.clone(), json!("ana")),
        ] {
            assert_eq!(who(&event(&verified, &payload)), Err(401), "{verified} {payload}");
        }
        let mut bare = event(&good, &good);
        bare["requestContext"]["authorizer"] = Value::Null;
        assert_eq!(who(&bare), Err(401));
        for header in ["", "Bearer", "Basic YTpi", "Bearer a.b.c", "Bearer ..", "é"] {
            let mut event = event(&good, &good);
            event["headers"]["authorization"] = json!(header);
            assert_eq!(who(&event), Err(401), "{header}");
        }
    }

    #[test]
    fn groups_that_are_not_those_of_the_verified_claim_end_the_call() {
        let lead = json!({"sub": "ana", "token_use": "id", "cognito:groups": ["finops-lead", "auditor"]});
        let both = vec![Role::FinopsLead, Role::Auditor];
        for (verified, expected) in [
            (json!("[finops-lead auditor]"), Ok(&both)),
            (json!("[auditor finops-lead]"), Ok(&both)),
            (json!("finops-lead,auditor"), Ok(&both)),
            (json!(["finops-lead", "auditor"]), Ok(&both)),
            (Value::Null, Err(401)),
            (json!("[]"), Err(401)),
            (json!("[auditor]"), Err(401)),
            (json!("[finops-lead auditor else]"), Err(401)),
            (json!("[finops-lead,auditor]"), Err(401)),
            (json!("finops-lead auditor"), Err(401)),
            (json!({"finops-lead": "auditor"}), Err(401)),
        ] {
            let claims = json!({"sub": "ana", "token_use": "id", "cognito:groups": verified});
            assert_eq!(who(&event(&claims, &lead)).map(|(_, roles)| roles), expected.cloned(), "{verified}");
        }
        // Without groups there is nothing to agree about, and a verified group is not dropped either.
        let nobody = json!({"sub": "ana", "token_use": "id"});
        assert_eq!(who(&event(&nobody, &nobody)), Ok(("ana".to_owned(), Vec::new())));
        assert_eq!(who(&event(&lead, &nobody)), Err(401));
    }

    #[test]
    fn a_call_with_two_tokens_or_with_a_token_in_another_form_has_none() {
        let claims = json!({"sub": "ana", "token_use": "id", "cognito:groups": "[auditor]"});
        let own = token(&json!({"sub": "ana", "token_use": "id", "cognito:groups": ["auditor"]}));
        let other = token(&json!({"sub": "ana", "token_use": "id", "cognito:groups": ["finops-lead"]}));
        let with = |headers: Value| {
            let mut event = event(&claims, &claims);
            event["headers"] = headers;
            who(&event).map(|(_, roles)| roles)
        };
        for good in [format!("Bearer {own}"), format!("bearer {own}"), own.clone()] {
            assert_eq!(with(json!({ "authorization": good })), Ok(vec![Role::Auditor]), "{good}");
        }
        assert_eq!(with(json!({ "Authorization": format!("Bearer {own}") })), Ok(vec![Role::Auditor]));
        for joined in [
            format!("Bearer {own}, Bearer {other}"),
            format!("Bearer {own},Bearer {other}"),
            format!("Bearer {own},{other}"),
            format!("Bearer {own} {other}"),
            format!("Bearer  {own}"),
            format!("Bearer\t{own}"),
            format!("Bearer {own}\n"),
            format!(" Bearer {own}"),
            format!("Bearer {own}."),
            format!("Bearer {own}="),
            format!("Basic {own}"),
            "Bearer ".to_owned(),
            String::new(),
        ] {
            assert_eq!(with(json!({ "authorization": joined })), Err(401), "{joined}");
        }
        for [lower, upper] in [[&own, &other], [&other, &own], [&own, &own]] {
            let twice =
                json!({ "authorization": format!("Bearer {lower}"), "Authorization": format!("Bearer {upper}") });
            assert_eq!(with(twice), Err(401));
        }
        assert_eq!(with(json!({ "authorization": [format!("Bearer {own}")] })), Err(401));
        assert_eq!(with(Value::Null), Err(401));
    }

    #[test]
    fn the_groups_of_roles_are_settings_and_broken_ones_stop_the_start() {
        let with = |json: &str| RoleGroups::from_env(&Environment::default().with(ROLE_GROUPS, json));
        let lead = with(r#"{"finops-lead":["ops","leads"]}"#).map(|g| g.roles_of(&["leads"]).collect::<Vec<_>>());
        assert_eq!(lead, Ok(vec![Role::FinopsLead]));
        for broken in ["[]", r#"{"system":["x"]}"#, r#"{"boss":["x"]}"#, r#"{"auditor":["a b"]}"#] {
            assert!(with(broken).is_err(), "{broken}");
        }
    }
}
