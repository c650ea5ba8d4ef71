//! What no generated document may hold, whoever generated it.
//!
//! Every document passes here before it leaves the generator, so a broken or over-wide one is never emitted. The
//! tests run it over every golden file as well.

use std::collections::BTreeSet;

use super::condition::Comparison;
use super::document::{
    Action, Actions, Document, Effect, PrincipalKind, Resources, Statement, VERSION, has_only_policy_characters,
};
use crate::base::outcome::{Refusal, RefusalKind};

/// What a document is for; its limits differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// An inline policy of a role.
    Identity,
    /// A role's trust policy.
    Trust,
    /// An organisation's service control policy.
    Organisation,
}

impl DocumentKind {
    /// The most characters that are not white space: aggregate inline policies of a role, a trust policy without a
    /// quota increase (IAM user guide, "IAM and AWS STS quotas"), an SCP (Organizations user guide, "Quotas").
    #[must_use]
    pub const fn size_max(self) -> usize {
        match self {
            Self::Identity => 10_240,
            Self::Trust => 2_048,
            Self::Organisation => 5_120,
        }
    }
}

/// Actions without resource-level permissions: a statement on `*` is the only one that works (service authorisation
/// reference, Amazon Bedrock; Claude Platform on AWS user guide, "IAM policies").
const WITHOUT_RESOURCE: [&str; 7] = [
    "bedrock:InvokeInlineAgent",
    "bedrock:ListModelInvocationJobs",
    "bedrock:RetrieveAndGenerate",
    "aws-external-anthropic:CreateWorkspace",
    "aws-external-anthropic:ListWorkspaces",
    "iam:GetOutboundWebIdentityFederationInfo",
    "cloudformation:GetTemplateSummary",
];

/// Everything wrong with a document; empty when it may be emitted.
#[must_use]
pub fn lint(document: &Document, kind: DocumentKind) -> Vec<String> {
    let mut findings = Vec::new();
    if document.version() != VERSION {
        findings.push(format!("its version is `{}`, not {VERSION}", document.version()));
    }
    if document.statements.is_empty() {
        findings.push("it has no statement".to_owned());
    }
    if !has_only_policy_characters(&document.to_json()) {
        findings.push("it holds a character outside TAB, LF, CR and U+0020-U+00FF".to_owned());
    }
    let size = document.size_characters();
    if size > kind.size_max() {
        findings.push(format!("it has {size} characters; {} fit", kind.size_max()));
    }
    let mut sids = BTreeSet::new();
    for (index, statement) in document.statements.iter().enumerate() {
        let label = statement.label(index);
        if !sids.insert(label.clone()) {
            findings.push(format!("`{label}` is there twice"));
        }
        findings.extend(statement_findings(statement, kind).into_iter().map(|what| format!("`{label}` {what}")));
    }
    findings
}

/// Refuses a document with any finding.
///
/// # Errors
/// [`RefusalKind::PolicyImpossible`] with the findings and what to do.
pub fn require_clean(document: &Document, kind: DocumentKind) -> Result<(), Refusal> {
    let size = document.size_characters();
    if size > kind.size_max() {
        let detail = format!(
            "the document would have {size} characters and IAM takes {}; split by role: give some of the scopes a \
             role of their own",
            kind.size_max()
        );
        return Err(Refusal::new(RefusalKind::PolicyImpossible, detail));
    }
    match lint(document, kind) {
        findings if findings.is_empty() => Ok(()),
        findings => Err(Refusal::new(
            RefusalKind::PolicyImpossible,
            format!("the document is refused: {}", findings.join("; ")),
        )),
    }
}

fn statement_findings(statement: &Statement, kind: DocumentKind) -> Vec<String> {
    let mut findings = principal_findings(statement, kind);
    if kind == DocumentKind::Trust {
        if statement.resources.is_some() {
            findings.push("names a resource, which a trust policy cannot".to_owned());
        }
    } else if statement.resources.is_none() {
        findings.push("names no resource".to_owned());
    }
    if statement.effect == Effect::Allow {
        findings.extend(allow_findings(statement));
    }
    findings
}

fn allow_findings(statement: &Statement) -> Vec<String> {
    let mut findings = Vec::new();
    let actions = match &statement.actions {
        Actions::AllBut(_) => return vec!["allows by NotAction".to_owned()],
        Actions::Only(actions) => actions,
    };
    let wild = |action: &&Action| action.as_str().contains(['*', '?']);
    if let Some(action) = actions.iter().find(wild) {
        findings.push(format!("allows `{action}`; enumerate the actions"));
    }
    match &statement.resources {
        Some(Resources::AllBut(_)) => findings.push("allows by NotResource".to_owned()),
        Some(Resources::Only(resources)) if resources.contains("*") => {
            let too_wide = actions.iter().find(|a| !WITHOUT_RESOURCE.contains(&a.as_str()));
            findings.extend(too_wide.map(|action| format!("allows `{action}` on every resource")));
        }
        _ => {}
    }
    findings
}

fn principal_findings(statement: &Statement, kind: DocumentKind) -> Vec<String> {
    let Some(principals) = &statement.principals else {
        return if kind == DocumentKind::Trust { vec!["names no principal".to_owned()] } else { Vec::new() };
    };
    if kind != DocumentKind::Trust {
        return vec!["names a principal, which only a trust policy does".to_owned()];
    }
    let mut findings = Vec::new();
    for (principal_kind, values) in principals {
        for value in &values.0 {
            if value.contains(['*', '?']) {
                findings.push(format!("trusts `{value}`"));
            }
            if value.ends_with(":root") || value.bytes().all(|b| b.is_ascii_digit()) {
                findings.push(format!("trusts the whole account `{value}`"));
            }
        }
        if *principal_kind == PrincipalKind::Federated && !is_bound_to_one_subject(statement) {
            findings.push("trusts an identity provider without its exact audience and subject".to_owned());
        }
    }
    findings
}

fn is_bound_to_one_subject(statement: &Statement) -> bool {
    let exact = |suffix: &str| {
        statement.conditions.0.iter().any(|(operator, keys)| {
            let equals = operator.comparison == Comparison::StringEquals && !operator.if_exists;
            equals && keys.iter().any(|(key, values)| key.ends_with(suffix) && !values.0.is_empty())
        })
    };
    exact(":aud") && exact(":sub")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::policy::parse::Unreadable;

    #[test]
    fn over_wide_documents_are_named_and_refused() -> Result<(), Unreadable> {
        let check = |kind: DocumentKind, statement: &str, expected: &str| -> Result<(), Unreadable> {
            let document = Document::parse(&format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#))?;
            let findings = lint(&document, kind).join("; ");
            assert!(findings.contains(expected), "{statement}: `{findings}` lacks `{expected}`");
            assert!(require_clean(&document, kind).is_err());
            Ok(())
        };
        use DocumentKind::{Identity, Trust};
        let trust =
            |principal: &str| format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}"#);
        check(Trust, &trust(r#""*""#), "trusts `*`")?;
        check(Trust, &trust(r#"{"AWS":"arn:aws:iam::111122223333:root"}"#), "whole account")?;
        check(Trust, &trust(r#"{"AWS":"111122223333"}"#), "whole account")?;
        check(Trust, &trust(r#"{"Federated":"arn:aws:iam::111122223333:oidc-provider/x.y"}"#), "exact audience")?;
        check(Trust, r#"{"Effect":"Allow","Action":"sts:AssumeRole"}"#, "no principal")?;
        check(Identity, &trust(r#"{"Service":"lambda.amazonaws.com"}"#), "names a principal")?;
        check(Identity, r#"{"Effect":"Allow","Action":"bedrock:*","Resource":"arn:x"}"#, "enumerate")?;
        check(Identity, r#"{"Effect":"Allow","Action":"bedrock:InvokeModel","Resource":"*"}"#, "every resource")?;
        check(Identity, r#"{"Effect":"Allow","NotAction":"iam:X","Resource":"*"}"#, "NotAction")?;
        check(Identity, r#"{"Effect":"Allow","Action":"a:B","NotResource":"arn:x"}"#, "NotResource")?;
        check(Identity, r#"{"Effect":"Deny","Action":"*"}"#, "no resource")?;
        check(Identity, "{\"Effect\":\"Deny\",\"Action\":\"*\",\"Resource\":\"arn:\u{2014}\"}", "character")?;
        let twice = r#"{"Sid":"A","Effect":"Deny","Action":"*","Resource":"*"}"#;
        check(Identity, &format!("{twice},{twice}"), "twice")
    }
}
