//! A live role beside what was approved: every document on it, compared by meaning.

use std::collections::BTreeSet;

use super::widening::{closed_by, opens_models};
use crate::access::policy::POLICY_NAME;
use crate::access::policy::compare::{Difference, DifferenceKind, compare, compare_documents};
use crate::access::policy::document::Document;
use crate::access::policy::live::{Boundary, LiveRole};
use crate::access::tasks::chain::Chain;
use crate::access::tasks::instructions::Drift;
use crate::access::tasks::migration::{self, tag::WantedTag};
use crate::access::tasks::task::Task;

/// What is to live on a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovedRole {
    /// The product's one document; none if nothing is approved on the role.
    pub policy: Option<Document>,
    /// The trust policy, where it is the product's to say.
    pub trust: Option<Document>,
    /// The tags that approvals want on it and on the profiles of its scopes.
    pub tags: Vec<WantedTag>,
}

impl ApprovedRole {
    /// What a task's own files put on the role; none for a task that puts no policy, and before its files are there.
    #[must_use]
    pub fn of_task(chain: &Chain, task: &Task) -> Option<Self> {
        let document = |name: &str| {
            let file = task.artifacts.iter().find(|a| a.name == name);
            file.map(|a| Document::parse(&a.content)).transpose().ok()
        };
        let tags = if task.kind.revokes() { Vec::new() } else { migration::wanted(std::iter::once(chain)) };
        let approved = Self { policy: document("policy.json")?, trust: document("trust-policy.json")?, tags };
        let says_enough = approved.policy.is_some() || task.kind.revokes();
        (task.kind.puts_policy() && says_enough).then_some(approved)
    }

    /// How the live role departs from this; `None` is a role that is not there.
    #[must_use]
    pub fn diff(&self, live: Option<&LiveRole>) -> Drift {
        let Some(live) = live else { return self.diff_missing() };
        let inline = |(name, document): (&String, &String)| {
            (name != POLICY_NAME && opens_models(document)).then(|| name.clone())
        };
        let attached = |(arn, document): (&String, &String)| opens_models(document).then(|| arn.clone());
        Drift {
            missing: false,
            policy: self.diff_policy(live.inline.get(POLICY_NAME)),
            trust: self.trust.as_ref().map(|approved| compare(approved, &live.trust)).unwrap_or_default(),
            inline_policies: live.inline.iter().filter_map(inline).collect(),
            attached_policies: live.attached.iter().filter_map(attached).collect(),
            boundary: live.boundary.as_ref().map(|boundary| self.diff_boundary(boundary)).unwrap_or_default(),
            tags: self.tags.iter().filter_map(|wanted| wanted.diff(live)).collect(),
        }
    }

    /// A role that is not there lacks its tag too: whoever creates it again has to set it.
    fn diff_missing(&self) -> Drift {
        let nothing = LiveRole::default();
        let tags = self.tags.iter().filter(|_| self.policy.is_some()).filter_map(|wanted| wanted.diff(&nothing));
        Drift { missing: self.policy.is_some(), tags: tags.collect(), ..Drift::default() }
    }

    fn diff_policy(&self, live: Option<&String>) -> Vec<Difference> {
        match (&self.policy, live) {
            (Some(approved), Some(live)) => compare(approved, live),
            (Some(approved), None) => compare_documents(approved, &Document::new(Vec::new())),
            (None, Some(_)) => vec![Difference {
                kind: DifferenceKind::Unexpected,
                statement: "document".to_owned(),
                detail: format!("`{POLICY_NAME}` is live, but nothing is approved on the role"),
            }],
            (None, None) => Vec::new(),
        }
    }

    /// A boundary never widens, but a role that cannot do what was approved is not what was approved.
    fn diff_boundary(&self, boundary: &Boundary) -> Vec<String> {
        let closed: BTreeSet<String> =
            self.policy.as_ref().map(|approved| closed_by(&boundary.document, approved)).unwrap_or_default();
        let line = |action: &String| format!("`{}` does not let `{action}` through", boundary.arn);
        closed.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::access::policy::compile;
    use crate::access::policy::fixtures::{bedrock, role};
    use crate::base::platform::ModelAction;

    const ADMINISTRATOR: &str =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    const LOGS: &str =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:*"],"Resource":"*"}]}"#;
    const ARN: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

    fn approved() -> anyhow::Result<ApprovedRole> {
        let grant = bedrock("amazon.nova-lite-v1:0", &[ModelAction::Invoke])?;
        Ok(ApprovedRole { policy: Some(compile(&role()?, &[grant])?), trust: None, tags: Vec::new() })
    }

    fn as_approved(approved: &ApprovedRole) -> LiveRole {
        let text = approved.policy.as_ref().map(Document::to_file).unwrap_or_default();
        LiveRole { inline: BTreeMap::from([(POLICY_NAME.to_owned(), text)]), ..LiveRole::default() }
    }

    #[test]
    fn a_role_as_approved_stays_so_with_policies_that_have_nothing_to_do_with_models() -> anyhow::Result<()> {
        let approved = approved()?;
        let mut live = as_approved(&approved);
        assert!(approved.diff(Some(&live)).is_none());
        live.inline.insert("logs".to_owned(), LOGS.to_owned());
        live.attached.insert("arn:aws:iam::aws:policy/Logs".to_owned(), LOGS.to_owned());
        live.boundary = Some(Boundary { arn: ARN.to_owned(), document: ADMINISTRATOR.to_owned() });
        assert!(approved.diff(Some(&live)).is_none());
        Ok(())
    }

    #[test]
    fn an_administrator_attached_beside_a_perfect_policy_is_not_verified() -> anyhow::Result<()> {
        let approved = approved()?;
        let live = LiveRole {
            attached: BTreeMap::from([(ARN.to_owned(), ADMINISTRATOR.to_owned())]),
            ..as_approved(&approved)
        };
        assert_eq!(approved.diff(Some(&live)).attached_policies, [ARN]);
        let mut live = as_approved(&approved);
        live.inline.insert("more".to_owned(), "{}".to_owned());
        assert_eq!(approved.diff(Some(&live)).inline_policies, ["more"], "what cannot be read counts as widening");
        Ok(())
    }

    #[test]
    fn each_thing_that_can_differ_is_named() -> anyhow::Result<()> {
        let approved = approved()?;
        let says = |drift: &Drift, text: &str| drift.findings().iter().any(|f| f.contains(text));
        assert!(says(&approved.diff(None), "does not exist"));
        let bare = approved.diff(Some(&LiveRole::default()));
        assert!(says(&bare, "approved, not live") && bare.policy.len() > 1, "{bare:?}");
        let live = LiveRole {
            boundary: Some(Boundary { arn: ARN.to_owned(), document: LOGS.to_owned() }),
            ..as_approved(&approved)
        };
        assert!(says(&approved.diff(Some(&live)), "does not let `bedrock:InvokeModel` through"));
        let nothing = ApprovedRole { policy: None, trust: None, tags: Vec::new() };
        assert!(nothing.diff(None).is_none(), "access that is gone with its role is gone");
        assert!(says(&nothing.diff(Some(&live)), "nothing is approved on the role"));
        let trusting = ApprovedRole { trust: Some(Document::parse(ADMINISTRATOR)?), ..approved };
        assert!(says(&trusting.diff(Some(&live)), "trust policy"));
        Ok(())
    }
}
