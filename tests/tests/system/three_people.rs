//! Requester, approver and executor are three people for every document that is put on a role, whichever task puts it
//! and whatever the approvals in it replaced.

use std::sync::Arc;

use local::stack::Options;
use serde_json::{Value, json};
use system_tests::{
    CHECKOUT, CHEN, CLAUDE_3_HAIKU, DORA, EMIL, Granted, Interlude, LENA, PETRA, Person, Reply, World, approval,
    fields, nova_places, number, places, request, text,
};
use tokio::task::JoinHandle;

const ROLE: &str = "finops-ai-checkout";

/// Lead and Cloud Engineer in one person: he may decide and carry out, never both of the same.
const BOB: Person = Person { sub: "bob", groups: &["finops-lead", "cloud-engineer"] };
/// Product Owner and Cloud Engineer in one person.
const OLGA: Person = Person { sub: "olga", groups: &["product-owner", "cloud-engineer"] };
/// Lead and Product Owner in one person.
const LOUIS: Person = Person { sub: "louis", groups: &["finops-lead", "product-owner"] };

fn here() -> Value {
    places(ROLE, &[(CHECKOUT, "us-east-1")])
}

fn haiku() -> Value {
    fields(&approval(&here()), &json!({ "modelId": CLAUDE_3_HAIKU }))
}

/// A workload of a Space that several people own.
async fn owned_by(world: &World, owners: &[Person]) -> anyhow::Result<String> {
    world.organisation().await?;
    let space = world.space("Commerce", owners).await?;
    let owner = owners.first().copied().unwrap_or(PETRA);
    let workload = world.workload(owner, &space, "Checkout").await?;
    world.estimate(owner, &workload, "bedrock", "120.00").await?;
    Ok(workload)
}

/// A request of `asks`, answered by `decides`.
async fn decided(
    world: &World,
    asks: Person,
    decides: Person,
    workload: &str,
    body: &Value,
) -> anyhow::Result<Granted> {
    let asked = fields(&request(workload), &json!({ "modelId": body["modelId"], "actions": body["actions"] }));
    let request = text(&world.post(asks, "/v1/requests", &asked).await?.ok()?, "/id")?;
    let approved = world.post(decides, &format!("/v1/requests/{request}/approve"), body).await?.ok()?;
    world.settle().await?;
    let (id, digest) = (text(&approved, "/id")?, text(&approved, "/digest")?);
    Ok(Granted { workload: workload.to_owned(), request, id, digest })
}

async fn implement_as(world: &World, who: Person, granted: &Granted) -> anyhow::Result<Value> {
    let task = world.task_in(&granted.id, "ready").await?;
    world.carry_out(&task).await?;
    world.work(who, &task, &json!({ "roleArn": format!("arn:aws:iam::{CHECKOUT}:role/{ROLE}") })).await
}

async fn start(world: &World, who: Person, task: &Value) -> anyhow::Result<Reply> {
    world.post(who, &format!("/v1/tasks/{}/start", text(task, "/id")?), &json!({})).await
}

/// Runs the one command of a task that puts its document: the role may be there from an earlier attempt.
async fn put(world: &World, task: &Value) -> anyhow::Result<()> {
    let mut only = task.clone();
    let put = |step: &Value| step["command"].as_str().is_some_and(|command| command.contains("put-role-policy"));
    only["instructions"].as_array_mut().into_iter().for_each(|steps| steps.retain(put));
    world.carry_out(&only).await.map(drop)
}

/// Somebody takes the product's document off the role by hand.
async fn put_nothing(world: &World) -> anyhow::Result<()> {
    let delete = format!("aws iam delete-role-policy --role-name '{ROLE}' --policy-name 'FinOpsCenterApproved'");
    world.aws(CHECKOUT, &delete, &std::collections::BTreeMap::new()).await.map(drop)
}

fn policy(task: &Value) -> String {
    task["artifacts"].to_string()
}

/// A workload of Petra's with a role that carries what Bob approved and Chen implemented.
async fn implemented() -> anyhow::Result<(World, String, Granted)> {
    let world = World::empty().await?;
    let workload = owned_by(&world, &[PETRA]).await?;
    let first = decided(&world, PETRA, BOB, &workload, &approval(&here())).await?;
    implement_as(&world, CHEN, &first).await?;
    Ok((world, workload, first))
}

const THREE_PEOPLE: (u16, &str) = (403, "separation-of-duties");

#[tokio::test]
async fn an_approver_does_not_carry_out_their_own_approval_through_a_siblings_task() -> anyhow::Result<()> {
    let (world, workload, first) = implemented().await?;
    let second = decided(&world, PETRA, LENA, &workload, &haiku()).await?;
    let task = world.task_in(&second.id, "ready").await?;
    assert!(policy(&task).contains("amazon.nova-lite") && policy(&task).contains("claude-3-haiku"));
    let refused = start(&world, BOB, &task).await?;
    assert_eq!(refused.refusal(), THREE_PEOPLE, "{}", refused.body);
    assert!(refused.body["detail"].to_string().contains(&first.id), "it says which approval: {}", refused.body);
    start(&world, EMIL, &task).await?.ok()?;
    Ok(())
}

#[tokio::test]
async fn what_was_returned_leaves_the_document_until_it_is_issued_again_and_is_drift_while_it_lives()
-> anyhow::Result<()> {
    let world = World::empty().await?;
    let workload = owned_by(&world, &[PETRA]).await?;
    let first = decided(&world, PETRA, BOB, &workload, &approval(&here())).await?;
    let task = world.task_in(&first.id, "ready").await?;
    start(&world, CHEN, &task).await?.ok()?;
    world.carry_out(&task).await?;
    let back = format!("/v1/tasks/{}/return", text(&task, "/id")?);
    world.post(CHEN, &back, &json!({ "reason": "half-way through" })).await?.ok()?;
    world.settle().await?;
    let drifted = world.schedule("drift").await?;
    assert_eq!(number(&drifted, "/drifted")?, 1, "live without a completed task: {drifted}");
    let second = decided(&world, PETRA, LENA, &workload, &haiku()).await?;
    let sibling = world.task_in(&second.id, "ready").await?;
    assert!(!policy(&sibling).contains("amazon.nova-lite"), "the returned scope is not put by another's task");
    start(&world, EMIL, &sibling).await?.ok()?;
    put(&world, &sibling).await?;
    let reissue = format!("/v1/tasks/{}/reissue", text(&task, "/id")?);
    world.post(LENA, &reissue, &json!({ "reason": "the account is open" })).await?.ok()?;
    let evidence = json!({ "roleArn": format!("arn:aws:iam::{CHECKOUT}:role/{ROLE}") });
    let complete = json!({ "digest": second.digest, "evidence": evidence });
    world.post(EMIL, &format!("/v1/tasks/{}/complete", text(&sibling, "/id")?), &complete).await?.ok()?;
    world.settle().await?;
    let quiet = world.schedule("drift").await?;
    assert_eq!((number(&quiet, "/drifted")?, number(&quiet, "/verified")?), (0, 1), "{quiet}");
    let again = world.task_in(&first.id, "ready").await?;
    assert!(policy(&again).contains("amazon.nova-lite") && policy(&again).contains("claude-3-haiku"));
    assert_eq!(start(&world, BOB, &again).await?.refusal(), THREE_PEOPLE);
    Ok(())
}

#[tokio::test]
async fn what_is_live_after_the_last_revocation_is_drift() -> anyhow::Result<()> {
    let (world, _, granted) = implemented().await?;
    world.post(LENA, &format!("/v1/approvals/{}/revoke", granted.id), &json!({ "reason": "over" })).await?.ok()?;
    world.settle().await?;
    let revocation = world.task_in(&granted.id, "ready").await?;
    let done = world.work(CHEN, &revocation, &json!({})).await?;
    assert_eq!(done["verification"]["result"], "drifted", "completed and not carried out: {done}");
    let night = world.schedule("drift").await?;
    assert_eq!(number(&night, "/drifted")?, 1, "{night}");
    put_nothing(&world).await?;
    let night = world.schedule("drift").await?;
    assert_eq!((number(&night, "/drifted")?, number(&night, "/resolved")?), (0, 1), "{night}");
    Ok(())
}

#[tokio::test]
async fn a_repair_and_a_revocation_put_what_remains_and_are_nobodys_who_decided_on_it() -> anyhow::Result<()> {
    let (world, workload, _) = implemented().await?;
    let second = decided(&world, PETRA, LENA, &workload, &haiku()).await?;
    implement_as(&world, CHEN, &second).await?;
    put_nothing(&world).await?;
    world.schedule("drift").await?;
    let mut tasks = world.list(LENA, "/v1/tasks?state=ready").await?;
    let repair = tasks.pop().unwrap_or_default();
    assert_eq!(repair["kind"], "fix-drift", "{repair}");
    for who in [BOB, Person { sub: "lena", groups: &["cloud-engineer"] }] {
        assert_eq!(start(&world, who, &repair).await?.refusal(), THREE_PEOPLE, "{}", who.sub);
    }
    world.carry_out(&repair).await?;
    world.work(CHEN, &repair, &json!({})).await?;
    let reason = json!({ "reason": "the pilot is over" });
    world.post(LENA, &format!("/v1/approvals/{}/revoke", second.id), &reason).await?.ok()?;
    world.settle().await?;
    let revocation = world.task_in(&second.id, "ready").await?;
    assert!(policy(&revocation).contains("amazon.nova-lite"), "it puts what remains");
    assert_eq!(start(&world, BOB, &revocation).await?.refusal(), THREE_PEOPLE);
    start(&world, CHEN, &revocation).await?.ok()?;
    Ok(())
}

#[tokio::test]
async fn what_left_the_role_after_a_task_was_made_still_bars_its_people_from_the_task() -> anyhow::Result<()> {
    let (world, workload, first) = implemented().await?;
    let second = decided(&world, PETRA, LENA, &workload, &haiku()).await?;
    let task = world.task_in(&second.id, "ready").await?;
    world.post(LENA, &format!("/v1/approvals/{}/revoke", first.id), &json!({ "reason": "over" })).await?.ok()?;
    world.settle().await?;
    let same = world.task_in(&second.id, "ready").await?;
    assert_eq!(policy(&same), policy(&task), "its document is as it was made");
    assert_eq!(start(&world, BOB, &same).await?.refusal(), THREE_PEOPLE);
    Ok(())
}

#[tokio::test]
async fn who_stands_behind_what_an_approval_replaces_stands_behind_it() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let workload = owned_by(&world, &[PETRA, OLGA, LOUIS]).await?;
    let first = decided(&world, OLGA, BOB, &workload, &approval(&nova_places(ROLE, &["us-east-1"]))).await?;
    implement_as(&world, CHEN, &first).await?;
    let both = approval(&nova_places(ROLE, &["us-east-1", "us-west-2"]));
    let second = decided(&world, PETRA, LENA, &workload, &both).await?;
    let task = world.task_in(&second.id, "ready").await?;
    assert_eq!(start(&world, OLGA, &task).await?.refusal(), THREE_PEOPLE, "who asked for what it replaces");
    assert_eq!(start(&world, BOB, &task).await?.refusal(), THREE_PEOPLE, "who approved it");
    implement_as(&world, CHEN, &second).await?;
    // The other way round: whoever carried a scope out neither asks for nor decides what carries it over.
    let chen_asks = Person { sub: "chen", groups: &["product-owner", "cloud-engineer"] };
    let space = text(&world.get(LENA, &format!("/v1/workloads/{workload}")).await?.ok()?, "/spaceId")?;
    let owners = json!({ "name": "Commerce", "owners": ["petra", "olga", "louis", "chen"] });
    world.put(LENA, &format!("/v1/spaces/{space}"), &owners).await?.ok()?;
    let refused = world.post(chen_asks, "/v1/requests", &request(&workload)).await?;
    assert_eq!(refused.refusal(), THREE_PEOPLE, "{}", refused.body);
    // What names no model is not about that approval yet; it is when it is decided.
    let open = json!({ "workloadId": workload, "actions": ["invoke"], "justification": "more of it" });
    let open = text(&world.post(chen_asks, "/v1/requests", &open).await?.ok()?, "/id")?;
    let refused = world.post(DORA, &format!("/v1/requests/{open}/approve"), &both).await?;
    assert_eq!(refused.refusal(), THREE_PEOPLE, "{}", refused.body);
    // Who asked for the first approves no successor, and who approved one asks for none.
    let by_petra = text(&world.post(PETRA, "/v1/requests", &request(&workload)).await?.ok()?, "/id")?;
    let olga_decides = Person { sub: "olga", groups: &["finops-lead"] };
    let refused = world.post(olga_decides, &format!("/v1/requests/{by_petra}/approve"), &both).await?;
    assert_eq!(refused.refusal(), THREE_PEOPLE, "{}", refused.body);
    let third = world.post(LOUIS, &format!("/v1/requests/{by_petra}/approve"), &both).await?;
    assert_eq!(third.status, 201, "{}", third.body);
    world.settle().await?;
    assert_eq!(world.post(LOUIS, "/v1/requests", &request(&workload)).await?.refusal(), THREE_PEOPLE);
    Ok(())
}

#[tokio::test]
async fn a_narrowing_narrows_and_its_task_is_not_the_approvers_of_what_it_narrows() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let workload = owned_by(&world, &[PETRA]).await?;
    let wide = fields(&approval(&here()), &json!({ "actions": ["invoke", "stream"] }));
    let first = decided(&world, PETRA, BOB, &workload, &wide).await?;
    implement_as(&world, CHEN, &first).await?;
    let same = fields(&wide, &json!({ "workloadId": workload }));
    let refused = world.post(LENA, "/v1/approvals", &same).await?;
    assert_eq!(refused.refusal(), (422, "invalid-value"), "{}", refused.body);
    let narrow = fields(&same, &json!({ "actions": ["invoke"] }));
    let second = text(&world.post(LENA, "/v1/approvals", &narrow).await?.ok()?, "/id")?;
    world.settle().await?;
    let mut mine = world.list(LENA, "/v1/tasks?state=ready").await?;
    mine.retain(|task| task["approvalId"] == json!(second) || task["approvalId"] == json!(first.id));
    assert_eq!(mine.len(), 1, "{mine:?}");
    assert_eq!(start(&world, BOB, &mine[0]).await?.refusal(), THREE_PEOPLE);
    Ok(())
}

#[tokio::test]
async fn break_glass_is_for_others_once_until_reviewed_and_reviewed_by_who_had_no_hand_in_it() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let workload = owned_by(&world, &[PETRA, LOUIS]).await?;
    let glass = |model: &str| {
        let terms = json!({ "reason": "an outage", "expiresAt": "2026-08-24T19:00:00Z" });
        fields(&approval(&here()), &json!({ "workloadId": workload, "modelId": model, "breakGlass": terms }))
    };
    let nova = glass(system_tests::NOVA_LITE);
    let refused = world.post(LOUIS, "/v1/approvals", &nova).await?;
    assert_eq!(refused.refusal(), THREE_PEOPLE, "a Space of his own: {}", refused.body);
    let opened = text(&world.post(LENA, "/v1/approvals", &nova).await?.ok()?, "/id")?;
    world.settle().await?;
    let second = world.post(DORA, "/v1/approvals", &glass(CLAUDE_3_HAIKU)).await?;
    assert_eq!(second.refusal(), (409, "wrong-state"), "one is unreviewed: {}", second.body);
    assert!(second.body["detail"].to_string().contains(&opened), "{}", second.body);
    let task = world.task_in(&opened, "ready").await?;
    world.work(BOB, &task, &json!({ "roleArn": format!("arn:aws:iam::{CHECKOUT}:role/{ROLE}") })).await?;
    let review = format!("/v1/approvals/{opened}/review");
    let found = json!({ "outcome": "justified", "note": "it was an outage" });
    for who in [LENA, BOB] {
        assert_eq!(world.post(who, &review, &found).await?.refusal(), THREE_PEOPLE, "{}", who.sub);
    }
    world.post(DORA, &review, &found).await?.ok()?;
    let next = text(&world.post(DORA, "/v1/approvals", &glass(CLAUDE_3_HAIKU)).await?.ok()?, "/id")?;
    world.settle().await?;
    // Whoever reviewed it before it was carried out has no hand in it afterwards.
    world.post(BOB, &format!("/v1/approvals/{next}/review"), &found).await?.ok()?;
    let task = world.task_in(&next, "ready").await?;
    assert_eq!(start(&world, BOB, &task).await?.refusal(), THREE_PEOPLE);
    start(&world, CHEN, &task).await?.ok()?;
    Ok(())
}

/// A world in which one transaction can be held while others go on, with a workload of Petra's.
async fn at_once() -> anyhow::Result<(Arc<World>, Interlude, String)> {
    let interlude = Interlude::default();
    let options = Options { empty: true, seam: interlude.seam(), ..Options::default() };
    let world = Arc::new(World::start(options).await?);
    let workload = owned_by(&world, &[PETRA]).await?;
    Ok((world, interlude, workload))
}

/// A call whose transaction is held, by an event that it writes: everything was read, and nothing is written.
async fn held(
    (world, interlude): (&Arc<World>, &Interlude),
    who: Person,
    path: &str,
    body: Value,
    event: &'static str,
) -> JoinHandle<anyhow::Result<Reply>> {
    interlude.hold(event);
    let (world, path) = (Arc::clone(world), path.to_owned());
    let call = tokio::spawn(async move { world.post(who, &path, &body).await });
    interlude.begun().await;
    call
}

/// The decision on Nova Lite here, to end sooner: a narrowing that carries its scope over and touches nothing else.
fn sooner(workload: &str) -> Value {
    fields(&approval(&here()), &json!({ "workloadId": workload, "expiresOn": "2026-12-31" }))
}

fn glass(workload: &str, model: &str, role: &str) -> Value {
    let terms = json!({ "reason": "an outage", "expiresAt": "2026-08-24T19:00:00Z" });
    let scopes = places(role, &[(CHECKOUT, "us-east-1")]);
    fields(&approval(&scopes), &json!({ "workloadId": workload, "modelId": model, "breakGlass": terms }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_decides_on_a_grant_while_taking_up_a_document_that_holds_it_does_only_one_of_both() -> anyhow::Result<()> {
    let (world, interlude, workload) = at_once().await?;
    let first = decided(&world, PETRA, LENA, &workload, &approval(&here())).await?;
    implement_as(&world, CHEN, &first).await?;
    let second = decided(&world, PETRA, LENA, &workload, &haiku()).await?;
    let start = format!("/v1/tasks/{}/start", text(&world.task_in(&second.id, "ready").await?, "/id")?);
    let starting = held((&world, &interlude), BOB, &start, json!({}), "task.started").await;
    world.post(BOB, "/v1/approvals", &sooner(&workload)).await?.ok()?;
    interlude.end();
    assert_eq!(starting.await??.refusal(), THREE_PEOPLE);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_up_a_repair_while_deciding_what_takes_its_scope_over_does_only_one_of_both() -> anyhow::Result<()> {
    let (world, interlude, workload) = at_once().await?;
    let granted = decided(&world, PETRA, LENA, &workload, &approval(&here())).await?;
    implement_as(&world, CHEN, &granted).await?;
    put_nothing(&world).await?;
    world.schedule("drift").await?;
    let repair = world.task_in(&granted.id, "ready").await?;
    let deciding = held((&world, &interlude), BOB, "/v1/approvals", sooner(&workload), "approval.decided").await;
    start(&world, BOB, &repair).await?.ok()?;
    interlude.end();
    assert_eq!(deciding.await??.refusal(), THREE_PEOPLE);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_becomes_an_owner_while_breaking_glass_for_the_space_is_refused() -> anyhow::Result<()> {
    let (world, interlude, workload) = at_once().await?;
    let space = text(&world.get(LENA, &format!("/v1/workloads/{workload}")).await?.ok()?, "/spaceId")?;
    let body = glass(&workload, system_tests::NOVA_LITE, ROLE);
    let opening = held((&world, &interlude), LENA, "/v1/approvals", body, "approval.decided").await;
    let owners = json!({ "name": "Commerce", "owners": ["petra", "lena"] });
    world.put(DORA, &format!("/v1/spaces/{space}"), &owners).await?.ok()?;
    interlude.end();
    assert_eq!(opening.await??.refusal(), THREE_PEOPLE);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_break_glass_decisions_for_a_workload_at_once_one_waits_for_the_others_review() -> anyhow::Result<()> {
    let (world, interlude, workload) = at_once().await?;
    let body = glass(&workload, system_tests::NOVA_LITE, ROLE);
    let opening = held((&world, &interlude), LENA, "/v1/approvals", body, "approval.decided").await;
    let other = world.post(DORA, "/v1/approvals", &glass(&workload, CLAUDE_3_HAIKU, "finops-ai-desk")).await?.ok()?;
    interlude.end();
    let second = opening.await??;
    assert_eq!(second.refusal(), (409, "wrong-state"), "{}", second.body);
    assert_eq!(second.body["current"]["unreviewed"], other["id"], "{}", second.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reviews_a_break_glass_decision_while_taking_up_its_task_does_only_one_of_both() -> anyhow::Result<()> {
    let (world, interlude, workload) = at_once().await?;
    let found = json!({ "outcome": "justified", "note": "it was an outage" });
    for (model, review_is_held) in [(system_tests::NOVA_LITE, false), (CLAUDE_3_HAIKU, true)] {
        let role = if review_is_held { "finops-ai-desk" } else { ROLE };
        let opened = text(&world.post(LENA, "/v1/approvals", &glass(&workload, model, role)).await?.ok()?, "/id")?;
        world.settle().await?;
        let start = format!("/v1/tasks/{}/start", text(&world.task_in(&opened, "ready").await?, "/id")?);
        let review = format!("/v1/approvals/{opened}/review");
        let (first, second) = ((start, json!({}), "task.started"), (review, found.clone(), "approval.reviewed"));
        let (late, early) = if review_is_held { (second, first) } else { (first, second) };
        let calling = held((&world, &interlude), BOB, &late.0, late.1, late.2).await;
        world.post(BOB, &early.0, &early.1).await?.ok()?;
        interlude.end();
        assert_eq!(calling.await??.refusal(), THREE_PEOPLE, "{}", late.2);
    }
    Ok(())
}

#[tokio::test]
async fn who_reviewed_a_break_glass_decision_does_not_put_its_grant_with_a_siblings_task() -> anyhow::Result<()> {
    let world = World::empty().await?;
    let workload = owned_by(&world, &[PETRA]).await?;
    let body = glass(&workload, system_tests::NOVA_LITE, ROLE);
    let opened = text(&world.post(LENA, "/v1/approvals", &body).await?.ok()?, "/id")?;
    world.settle().await?;
    let found = json!({ "outcome": "justified", "note": "it was an outage" });
    world.post(BOB, &format!("/v1/approvals/{opened}/review"), &found).await?.ok()?;
    let task = world.task_in(&opened, "ready").await?;
    world.work(CHEN, &task, &json!({ "roleArn": format!("arn:aws:iam::{CHECKOUT}:role/{ROLE}") })).await?;
    let second = decided(&world, PETRA, DORA, &workload, &haiku()).await?;
    let sibling = world.task_in(&second.id, "ready").await?;
    assert!(policy(&sibling).contains("amazon.nova-lite"), "the break-glass grant is in its document");
    let refused = start(&world, BOB, &sibling).await?;
    assert_eq!(refused.refusal(), THREE_PEOPLE, "{}", refused.body);
    assert!(refused.body["detail"].to_string().contains(&opened), "it says which approval: {}", refused.body);
    start(&world, EMIL, &sibling).await?.ok()?;
    Ok(())
}

#[tokio::test]
async fn who_put_a_grant_with_whichever_task_or_asked_for_it_decides_nothing_that_takes_it_over() -> anyhow::Result<()>
{
    let (world, workload, _) = implemented().await?;
    let second = decided(&world, PETRA, LENA, &workload, &haiku()).await?;
    implement_as(&world, EMIL, &second).await?;
    let asked = world.post(PETRA, "/v1/requests", &request(&workload)).await?.ok()?;
    let approve = format!("/v1/requests/{}/approve", text(&asked, "/id")?);
    for sub in ["petra", "chen", "emil"] {
        let lead = Person { sub, groups: &["finops-lead"] };
        let narrowed = world.post(lead, "/v1/approvals", &sooner(&workload)).await?;
        assert_eq!(narrowed.refusal(), THREE_PEOPLE, "{sub} narrows: {}", narrowed.body);
        let approved = world.post(lead, &approve, &approval(&here())).await?;
        assert_eq!(approved.refusal(), THREE_PEOPLE, "{sub} approves: {}", approved.body);
    }
    world.post(DORA, "/v1/approvals", &sooner(&workload)).await?.ok()?;
    Ok(())
}
