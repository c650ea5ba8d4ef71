//! Tokens: each wrong in one thing only, and none of them good for anything.

use serde_json::{Value, json};
use system_tests::{LENA, PETRA, Person, World, fields};

fn claims() -> Value {
    let now = jiff::Timestamp::now().as_second();
    json!({
        "sub": "lena", "email": "lena@example.com", "name": "Lena", "iss": local::tokens::ISSUER,
        "aud": local::tokens::AUDIENCE,
        "token_use": "id", "auth_time": now, "iat": now, "exp": now + 600, "cognito:groups": ["finops-lead"],
    })
}

#[tokio::test]
async fn a_token_that_is_wrong_in_one_thing_is_good_for_nothing() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let now = jiff::Timestamp::now().as_second();
    let sign = |set: Value| world.local.tokens.sign(&fields(&claims(), &set));
    let good = sign(json!({}))?;
    assert_eq!(world.call_as(Some(&good), "GET", "/v1/people/nobody", None, &[]).await?.status, 404);
    let rows = [
        (json!({ "exp": now - 1 }), 401),
        (json!({ "exp": null }), 401),
        (json!({ "nbf": now + 600 }), 401),
        (json!({ "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other" }), 401),
        (json!({ "aud": "another-client" }), 401),
        (json!({ "token_use": "access" }), 401),
        (json!({ "token_use": null }), 401),
        (json!({ "sub": null }), 401),
        (json!({ "sub": "" }), 401),
        (json!({ "sub": "a#b" }), 401),
        (json!({ "cognito:groups": "finops-lead" }), 401),
        (json!({ "cognito:groups": ["finops-lead", 7] }), 401),
        (json!({ "cognito:groups": { "finops-lead": true } }), 401),
        (json!({ "cognito:groups": ["finops-lead auditor"] }), 403),
        (json!({ "cognito:groups": ["finops-lead\u{a0}"] }), 403),
        (json!({ "cognito:groups": [] }), 403),
        (json!({ "cognito:groups": ["FINOPS-LEAD"] }), 403),
        (json!({ "cognito:groups": null }), 401),
        (json!({ "cognito:groups": [], "custom:role": "finops-lead", "roles": ["finops-lead"] }), 403),
    ];
    for (set, status) in rows {
        let refused = world.call_as(Some(&sign(set.clone())?), "GET", "/v1/people/nobody", None, &[]).await?;
        assert_eq!(refused.status, status, "{set}: {}", refused.body);
    }
    // Stacks in memory share their process's key; this is somebody else's.
    let elsewhere = local::tokens::Tokens::open(None)?.issue(&LENA.identity())?;
    let mut parts = good.split('.');
    let (header, payload) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    for forged in
        [elsewhere, format!("{header}.{payload}."), format!("{header}.{payload}"), "x".to_owned(), format!("{good}x")]
    {
        assert_eq!(world.call_as(Some(&forged), "GET", "/v1/people/nobody", None, &[]).await?.status, 401, "{forged}");
    }
    Ok(())
}

#[tokio::test]
async fn a_person_is_their_subject_whatever_the_mail_and_name_say() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let space = world.space("Commerce", &[PETRA]).await?;
    let path = format!("/v1/spaces/{space}");
    let alias = local::tokens::Identity { sub: "mallory".to_owned(), name: "petra".to_owned(), ..PETRA.identity() };
    let token = world.local.tokens.issue(&alias)?;
    assert_eq!(world.call_as(Some(&token), "GET", &path, None, &[]).await?.refusal(), (404, "not-found"));
    let upper = Person { sub: "Petra", ..PETRA };
    assert_eq!(world.get(upper, &path).await?.refusal(), (404, "not-found"));
    let renamed = local::tokens::Identity { email: "p@other.example".to_owned(), ..PETRA.identity() };
    let token = world.local.tokens.issue(&renamed)?;
    world.call_as(Some(&token), "GET", &path, None, &[]).await?.ok()?;
    Ok(())
}
