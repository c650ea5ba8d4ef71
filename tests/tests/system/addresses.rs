//! Where notices go: nobody redirects another's, a change is told to the address that gives way, and who has no role
//! hears nothing.

use local::tokens::Identity;
use serde_json::{Value, json};
use system_tests::{DORA, LENA, OMAR, PETRA, Person, Reply, SAMIR, World, request, text, texts};

/// A call of somebody whose token says this address.
async fn from(world: &World, who: Person, email: &str, method: &str, path: &str) -> anyhow::Result<Reply> {
    let token = world.local.tokens.issue(&Identity { email: email.to_owned(), ..who.identity() })?;
    world.call_as(Some(&token), method, path, None, &[]).await
}

async fn mail(world: &World, to: &str) -> anyhow::Result<Vec<Value>> {
    let sent = world.call_as(None, "GET", &format!("/_local/messages?to={to}"), None, &[]).await?.ok()?;
    Ok(sent["items"].as_array().cloned().unwrap_or_default())
}

/// The subjects of what arrived, without SNS's own mail.
async fn subjects(world: &World, to: &str) -> anyhow::Result<Vec<String>> {
    let sent = mail(world, to).await?;
    Ok(texts(&sent, "subject").into_iter().filter(|subject| !subject.contains("Subscription Confirmation")).collect())
}

/// The owner asks for something, of which every Lead is told.
async fn asks(world: &World, workload: &str) -> anyhow::Result<()> {
    world.post(PETRA, "/v1/requests", &request(workload)).await?.ok()?;
    world.settle().await.map(drop)
}

#[tokio::test]
async fn a_lead_redirects_nobodys_notices_who_was_ever_here() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    world.get(DORA, "/v1/me").await?.ok()?;
    world.settle().await?;
    let written = world.put(LENA, "/v1/people/dora", &json!({ "email": "lena+dora@example.com" })).await?;
    assert_eq!(written.refusal(), (409, "wrong-state"));
    assert!(text(&written.body, "/detail")?.contains("PUT /v1/people/dora"));
    for stranger in [PETRA, OMAR] {
        assert!(world.put(stranger, "/v1/people/dora", &json!({ "email": "x@example.com" })).await?.status >= 400);
    }
    asks(&world, &workload).await?;
    assert_eq!(subjects(&world, "dora@example.com").await?, ["Request to decide: Checkout"]);
    assert_eq!(mail(&world, "lena+dora@example.com").await?, Vec::<Value>::new());
    Ok(())
}

#[tokio::test]
async fn a_changed_address_is_told_to_the_one_that_gives_way_and_to_nobody_else() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    world.get(DORA, "/v1/me").await?.ok()?;
    world.settle().await?;
    let mine = json!({ "email": "dora.b@example.com" });
    let known = world.put(DORA, "/v1/people/dora", &mine).await?.ok()?;
    assert_eq!((&known["source"], &known["former"]["email"]), (&json!("oneself"), &json!("dora@example.com")));
    world.settle().await?;
    let told = mail(&world, "dora@example.com").await?;
    let last = told.last().cloned().unwrap_or_default();
    assert_eq!(last["subject"], "Your address for notices changed");
    for part in ["dora@example.com", "dora.b@example.com", "Changed by"] {
        assert!(text(&last, "/text")?.contains(part), "{last}");
    }
    // The next token of hers says the old address still: what she said herself stays.
    from(&world, DORA, "dora@example.com", "GET", "/v1/spaces").await?.ok()?;
    asks(&world, &workload).await?;
    assert_eq!(subjects(&world, "dora.b@example.com").await?, ["Request to decide: Checkout"]);
    assert_eq!(mail(&world, "dora@example.com").await?.len(), told.len());
    // By a token it works the same way.
    from(&world, LENA, "lena.new@example.com", "GET", "/v1/me").await?.ok()?;
    world.settle().await?;
    assert_eq!(
        subjects(&world, "lena@example.com").await?.last().map(String::as_str),
        Some("Your address for notices changed")
    );
    Ok(())
}

#[tokio::test]
async fn whose_last_token_carried_no_role_gets_no_notice() -> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    world.get(DORA, "/v1/me").await?.ok()?;
    world.settle().await?;
    let left = Person { groups: &[], ..DORA };
    assert_eq!(world.get(left, "/v1/me").await?.refusal(), (403, "role-forbidden"));
    asks(&world, &workload).await?;
    assert_eq!(subjects(&world, "dora@example.com").await?, Vec::<String>::new());
    assert_eq!(subjects(&world, "lena@example.com").await?.len(), 2, "new models, and the request");
    world.get(DORA, "/v1/me").await?.ok()?;
    asks(&world, &workload).await?;
    assert_eq!(subjects(&world, "dora@example.com").await?.len(), 1, "they have a role again");
    Ok(())
}

#[tokio::test]
async fn what_a_lead_wrote_of_somebody_who_was_never_here_gets_no_notice_and_gives_way_to_their_token()
-> anyhow::Result<()> {
    let world = World::empty().await?;
    world.organisation().await?;
    let body = json!({ "name": "Dora", "email": "elsewhere@example.com" });
    let known = world.put(LENA, "/v1/people/dora", &body).await?.ok()?;
    assert_eq!((&known["source"], &known["roles"]), (&json!("lead"), &json!([])));
    let corrected = json!({ "name": "Dora", "email": "wrong@example.com" });
    world.put(LENA, "/v1/people/dora", &corrected).await?.ok()?;
    world.settle().await?;
    let workload = world.ready_workload(PETRA, "Checkout").await?;
    asks(&world, &workload).await?;
    assert_eq!(subjects(&world, "elsewhere@example.com").await?, ["Your address for notices changed"]);
    assert_eq!(subjects(&world, "wrong@example.com").await?, Vec::<String>::new());
    world.get(DORA, "/v1/me").await?.ok()?;
    world.settle().await?;
    assert_eq!(subjects(&world, "wrong@example.com").await?, ["Your address for notices changed"]);
    let known = world.get(LENA, "/v1/people/dora").await?.ok()?;
    assert_eq!((&known["email"], &known["source"]), (&json!("dora@example.com"), &json!("token")));
    Ok(())
}

#[tokio::test]
async fn old_and_new_owners_are_told_who_changed_whose_a_space_is() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let space = world.space("Retail", &[PETRA]).await?;
    for person in [PETRA, SAMIR, OMAR] {
        world.get(person, "/v1/me").await?.ok()?;
    }
    let path = format!("/v1/spaces/{space}");
    world.put(LENA, &path, &json!({ "name": "Shops", "owners": ["petra"] })).await?.ok()?;
    world.settle().await?;
    assert_eq!(subjects(&world, "petra@example.com").await?, Vec::<String>::new(), "a new name is no news");
    world.put(LENA, &path, &json!({ "name": "Shops", "owners": ["samir"] })).await?.ok()?;
    world.settle().await?;
    for told in [PETRA, SAMIR] {
        let to = format!("{}@example.com", told.sub);
        assert_eq!(subjects(&world, &to).await?, ["Owners changed: Shops"], "{to}");
        let letter = text(&mail(&world, &to).await?.last().cloned().unwrap_or_default(), "/text")?;
        for part in ["Owners before: petra", "Owners now: samir", "Changed by: lena"] {
            assert!(letter.contains(part), "{letter}");
        }
    }
    assert_eq!(subjects(&world, "omar@example.com").await?, Vec::<String>::new(), "it is nobody else's business");
    Ok(())
}
