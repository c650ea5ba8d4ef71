//! Letters about the bill: cards, gaps, failed ingestions.

use contract::events::{CardRef, Event, GapRef};
use domain::base::calendar::Month;
use domain::base::ids::RunId;
use domain::base::money::Money;
use domain::notice::shown_money;
use domain::spend::gap::{GapAction, NamedGap};

use super::{Addressed, Audience, Draft, workload_name};
use crate::known::Known;

pub(super) fn letter_of(event: &Event, known: &Known, why: Option<&str>) -> Option<Addressed> {
    match event {
        Event::CardOpened { card: waiting } => {
            let what = "What your workload spent in this period is there for you to sign or to dispute.";
            to_sign(card("Spend card to sign", what, waiting, known), waiting).to(Audience::Owners)
        }
        Event::CardReminded { card: waiting, days_open } => {
            let what = "This card waits for your signature.";
            let draft = card("Reminder: spend card to sign", what, waiting, known);
            to_sign(draft.fact("Days open", days_open.to_string()), waiting).to(Audience::Owners)
        }
        Event::CardResolved { card: resolved, decision } => {
            let what =
                "A FinOps Lead decided about your dispute. The card's figures stand now; it waits for your signature.";
            card("Dispute resolved, spend card to sign", what, resolved, known)
                .fact("Decision", decision)
                .maybe("Reason", why)
                .step("Sign it", format!("POST /v1/spend-cards/{}/approve", resolved.card_id))
                .to(Audience::Owners)
        }
        Event::CardDisputed { card: disputed, reason } => card(
            "Spend card disputed",
            "Its owner disagrees with the card; somebody other than the disputer resolves it.",
            disputed,
            known,
        )
        .fact("Reason", reason)
        .step("Resolve it", format!("POST /v1/spend-cards/{}/resolve", disputed.card_id))
        .to(Audience::Leads),
        Event::GapsAnnounced { billing_period, opened, findings, unanswered, largest } => {
            new_gaps(*billing_period, *opened, *findings, unanswered, largest)
        }
        Event::GapActioned { gap: found, .. } if found.action.as_deref() == Some(GapAction::RemindOwner.as_str()) => {
            reminded_of_gap(found, known, why)
        }
        Event::IngestionFailed { run_id, billing_period, why } => failed(run_id, *billing_period, why),
        _ => None,
    }
}

fn card(headline: &str, what: &str, card: &CardRef, known: &Known) -> Draft {
    let (from, to) = (card.period.from, card.period.to);
    Draft::new(format!("{headline}: {from} to {to}, {}", workload_name(known, &card.place)), what)
        .place(known, &card.place)
        .fact("Period", format!("{from} to {to}"))
        .fact("Actual", shown_money(&card.actual))
        .fact("Card", card.card_id.as_str())
        .step("Read it", format!("GET /v1/spend-cards/{}", card.card_id))
}

fn to_sign(draft: Draft, card: &CardRef) -> Draft {
    draft
        .step("Sign it", format!("POST /v1/spend-cards/{}/approve", card.card_id))
        .step("Dispute it", format!("POST /v1/spend-cards/{}/dispute", card.card_id))
}

fn new_gaps(month: Month, opened: u64, findings: u64, unanswered: &[Money], largest: &[NamedGap]) -> Option<Addressed> {
    let sums = || unanswered.iter().map(shown_money).collect::<Vec<_>>().join(" and ");
    let headline = match largest {
        [only] if opened == 1 => format!("Spend gap: {}, {}", only.kind.as_str(), shown_money(&only.amount)),
        _ => format!("{opened} new spend gaps in the bill of {month}"),
    };
    let findings = (findings > 0).then(|| format!("{findings}, of spend that a claim answers for"));
    let draft = Draft::new(headline, "Spend was found that nobody answers for, or that no approval covers.")
        .fact("Bill of", month.to_string())
        .maybe("Nobody answers for", Some(sums()).filter(|sums| !sums.is_empty()).as_deref())
        .maybe("Not covered by approvals", findings.as_deref());
    let label = if opened == 1 { "Gap" } else { "Among the largest" };
    let shown = |named: &NamedGap| {
        format!("{} of {}, {} ({})", shown_money(&named.amount), named.about, named.kind.as_str(), named.gap_id)
    };
    let draft = largest.iter().map(shown).fold(draft, |draft, gap| draft.fact(label, gap));
    draft
        .step("List them", format!("GET /v1/gaps?billingPeriod={month}&state=active"))
        .step("Act on one", "POST /v1/gaps/{id}/act")
        .to(Audience::Leads)
}

fn reminded_of_gap(found: &GapRef, known: &Known, why: Option<&str>) -> Option<Addressed> {
    let workload = known.workload.as_ref()?;
    let what = "A FinOps Lead asks you to answer for spend that nobody claimed.";
    Draft::new(format!("Spend to claim: {}", workload.fields.name), what)
        .fact("About", &found.about)
        .fact("Amount", shown_money(&found.amount))
        .fact("Bill of", found.billing_period.to_string())
        .fact("Gap", found.gap_id.as_str())
        .fact("Workload", format!("{} ({})", workload.fields.name, workload.id))
        .maybe("Reason", why)
        .step("See what is ready to claim", "GET /v1/anchors?state=ready-to-claim")
        .step("Claim", format!("POST /v1/workloads/{}/claims", workload.id))
        .to(Audience::Owners)
}

fn failed(run_id: &RunId, month: Month, why: &str) -> Option<Addressed> {
    Draft::new(
        format!("Bill of {month} could not be read"),
        "The last good numbers stay, and are marked with their date.",
    )
    .fact("Run", run_id.as_str())
    .fact("Why", why)
    .step("Read it", format!("GET /v1/ingestions/{run_id}"))
    .step("Read the bill again", "POST /v1/ingestions")
    .to(Audience::Leads)
}
