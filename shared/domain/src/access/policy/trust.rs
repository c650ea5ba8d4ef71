//! Trust policies: who may assume a generated role, by runtime.
//!
//! Exact principals only, and only those conditions that AWS documents for the runtime: a condition on a key that the
//! service does not send locks the workload out, and a missing one that it does send leaves a confused deputy.
//! [`DOCUMENTED`] is that knowledge as a table, each row with its AWS page.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::condition::{Comparison, Conditions, Operator, Values};
use super::document::{Action, Actions, Document, Effect, PrincipalKind, Sid, Statement};
use super::linter::{self, DocumentKind};
use crate::base::aws::{Region, RoleRef};
use crate::base::outcome::{Refusal, RefusalKind};
use crate::checked_text;

/// Where a workload runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the services' own names")]
pub enum Runtime {
    Lambda,
    Ecs,
    Ec2,
    Eks,
    Sagemaker,
    ExternalOidc,
}

impl Runtime {
    /// Every runtime.
    pub const ALL: [Self; 6] = [Self::Lambda, Self::Ecs, Self::Ec2, Self::Eks, Self::Sagemaker, Self::ExternalOidc];

    /// The runtime's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::Ecs => "ecs",
            Self::Ec2 => "ec2",
            Self::Eks => "eks",
            Self::Sagemaker => "sagemaker",
            Self::ExternalOidc => "external-oidc",
        }
    }
}

checked_text! {
    /// An EKS cluster's name.
    ClusterName, "cluster", "must be 1 to 100 characters of A-Z a-z 0-9 _ -, starting with a letter or digit",
    |t| (1..=100).contains(&t.len()) && t.starts_with(|c: char| c.is_ascii_alphanumeric())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

checked_text! {
    /// A Kubernetes namespace or service account.
    KubernetesName, "namespace or serviceAccount", "must be 1 to 253 characters of a-z 0-9 . -, starting and ending \
        with a letter or digit",
    |t| {
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        (1..=253).contains(&t.len()) && t.starts_with(edge) && t.ends_with(edge)
            && t.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b))
    }
}

checked_text! {
    /// An OIDC provider as IAM names it: the issuer without `https://`.
    OidcProvider, "oidcProvider", "must be the issuer without https://, such as \
        oidc.eks.us-east-1.amazonaws.com/id/EXAMPLE",
    |t| (3..=255).contains(&t.len()) && t.contains('.') && t.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !t.contains("//") && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b))
}

checked_text! {
    /// The exact value of a token's `aud` or `sub` claim.
    ClaimValue, "audience or subject", "must be 1 to 255 visible ASCII characters without * ? $ \" \\: it is matched \
        exactly",
    |t| (1..=255).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_graphic() && !b"*?$\"\\".contains(&b))
}

checked_text! {
    /// What the trusted third party must present when it assumes the role.
    ExternalId, "externalId", "must be 2 to 1,224 characters of A-Z a-z 0-9 _ + = , . @ : / -",
    |t| (2..=1224).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b))
}

checked_text! {
    /// The ARN of exactly one role that may assume the generated one.
    TrustedRole, "trustedRole", "must be the ARN of one IAM role, such as arn:aws:iam::111122223333:role/Name",
    |t| {
        let is_plain = t.len() <= 2048 && !t.contains(['*', '?', '"', '\\', '$']);
        is_plain && t.contains(":iam::") && RoleRef::parse_arn(t).is_some()
    }
}

/// What a runtime's trust policy needs to know. `lambda`, `ecs`, `ec2` and `sagemaker` need nothing; `eks` needs
/// `namespace`, `serviceAccount` and either `cluster` (pod identity) or `oidcProvider` (IRSA); `external-oidc` needs
/// either `oidcProvider`, `audience` and `subject`, or `trustedRole` and `externalId`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuntimeDetail {
    /// `eks` with pod identity: the cluster's name, in the role's account and the scopes' regions.
    #[serde(default)]
    pub cluster: Option<ClusterName>,
    /// `eks`: the Kubernetes namespace.
    #[serde(default)]
    pub namespace: Option<KubernetesName>,
    /// `eks`: the Kubernetes service account.
    #[serde(default)]
    pub service_account: Option<KubernetesName>,
    /// `eks` with IRSA, or `external-oidc`: the provider, registered in IAM in the scope's account.
    #[serde(default)]
    pub oidc_provider: Option<OidcProvider>,
    /// `external-oidc`: the token's audience.
    #[serde(default)]
    pub audience: Option<ClaimValue>,
    /// `external-oidc`: the token's subject.
    #[serde(default)]
    pub subject: Option<ClaimValue>,
    /// `external-oidc` without OIDC: the one role outside that may assume this one.
    #[serde(default)]
    pub trusted_role: Option<TrustedRole>,
    /// What that role must present.
    #[serde(default)]
    pub external_id: Option<ExternalId>,
}

/// What a trust policy is made from.
#[derive(Debug, Clone, Copy)]
pub struct Trusted<'a> {
    /// The role that is assumed.
    pub role: &'a RoleRef,
    /// The regions of all scopes on the role: the role is global, the services that assume it are not.
    pub regions: &'a BTreeSet<Region>,
    /// Where the workload runs.
    pub runtime: Runtime,
    /// What that runtime needs to know.
    pub detail: Option<&'a RuntimeDetail>,
    /// Where batch inference is approved: Bedrock assumes the role too, for the account's own jobs there.
    pub batch_regions: &'a BTreeSet<Region>,
}

/// One row of the table of what AWS documents.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Documented {
    /// The runtime, or the feature, that assumes the role.
    pub caller: &'static str,
    /// The exact principal.
    pub principal: &'static str,
    /// The condition keys that the page documents for the trust policy; empty where it documents none.
    pub keys: &'static [&'static str],
    /// The page, under docs.aws.amazon.com.
    pub page: &'static str,
}

/// Principals and condition keys, as AWS documents them.
pub const DOCUMENTED: &[Documented] = &[
    Documented {
        caller: "lambda",
        principal: "Service lambda.amazonaws.com",
        keys: &[],
        page: "lambda/latest/dg/lambda-intro-execution-role.html",
    },
    Documented {
        caller: "ecs",
        principal: "Service ecs-tasks.amazonaws.com",
        keys: &["aws:SourceAccount", "aws:SourceArn"],
        page: "AmazonECS/latest/developerguide/task-iam-roles.html",
    },
    Documented {
        caller: "ec2",
        principal: "Service ec2.amazonaws.com",
        keys: &[],
        page: "AWSEC2/latest/UserGuide/iam-roles-for-amazon-ec2.html",
    },
    Documented {
        caller: "eks, pod identity",
        principal: "Service pods.eks.amazonaws.com",
        keys: &[
            "aws:RequestTag/eks-cluster-arn",
            "aws:RequestTag/kubernetes-namespace",
            "aws:RequestTag/kubernetes-service-account",
        ],
        page: "eks/latest/userguide/pod-id-role.html",
    },
    Documented {
        caller: "eks, OIDC (IRSA)",
        principal: "Federated: the cluster's OIDC provider",
        keys: &["<provider>:aud", "<provider>:sub"],
        page: "eks/latest/userguide/associate-service-account-role.html",
    },
    Documented {
        caller: "sagemaker",
        principal: "Service sagemaker.amazonaws.com",
        keys: &["aws:SourceAccount", "aws:SourceArn"],
        page: "sagemaker/latest/dg/security-confused-deputy-prevention.html",
    },
    Documented {
        caller: "external-oidc",
        principal: "Federated: the named OIDC provider",
        keys: &["<provider>:aud", "<provider>:sub"],
        page: "IAM/latest/UserGuide/id_roles_create_for-idp_oidc.html",
    },
    Documented {
        caller: "external-oidc, third party",
        principal: "AWS: the one named role",
        keys: &["sts:ExternalId"],
        page: "IAM/latest/UserGuide/confused-deputy.html",
    },
    Documented {
        caller: "Bedrock batch inference",
        principal: "Service bedrock.amazonaws.com",
        keys: &["aws:SourceAccount", "aws:SourceArn"],
        page: "bedrock/latest/userguide/batch-iam-sr.html",
    },
];

/// The role's trust policy.
///
/// # Errors
/// [`RefusalKind::InvalidValue`] when the detail lacks what the runtime needs or names what it does not use.
pub fn trust(trusted: &Trusted<'_>) -> Result<Document, Refusal> {
    let none = RuntimeDetail::default();
    let detail = trusted.detail.unwrap_or(&none);
    let mut statements = vec![match trusted.runtime {
        Runtime::Lambda => service(trusted, detail, "lambda.amazonaws.com", None)?,
        Runtime::Ec2 => service(trusted, detail, "ec2.amazonaws.com", None)?,
        Runtime::Ecs => service(trusted, detail, "ecs-tasks.amazonaws.com", Some("ecs"))?,
        Runtime::Sagemaker => service(trusted, detail, "sagemaker.amazonaws.com", Some("sagemaker"))?,
        Runtime::Eks => eks(trusted, detail)?,
        Runtime::ExternalOidc => external(trusted, detail)?,
    }];
    if !trusted.batch_regions.is_empty() {
        let jobs = arns(trusted.role, trusted.batch_regions, "bedrock", "model-invocation-job/*");
        let sid = Sid::numbered("TrustBedrockBatchInference", 1);
        let conditions = from_account(trusted, jobs);
        statements.push(statement(
            sid,
            PrincipalKind::Service,
            "bedrock.amazonaws.com",
            &["sts:AssumeRole"],
            conditions,
        ));
    }
    let document = Document::new(statements);
    linter::require_clean(&document, DocumentKind::Trust)?;
    Ok(document)
}

fn service(
    trusted: &Trusted<'_>,
    detail: &RuntimeDetail,
    principal: &str,
    source_service: Option<&str>,
) -> Result<Statement, Refusal> {
    if detail != &RuntimeDetail::default() {
        return Err(unusable(trusted.runtime, "takes no runtimeDetail; leave it out"));
    }
    let conditions = source_service
        .map(|service| from_account(trusted, arns(trusted.role, trusted.regions, service, "*")))
        .unwrap_or_default();
    Ok(statement(Sid::numbered("TrustRuntime", 1), PrincipalKind::Service, principal, &["sts:AssumeRole"], conditions))
}

fn eks(trusted: &Trusted<'_>, detail: &RuntimeDetail) -> Result<Statement, Refusal> {
    let needs = "needs `namespace`, `serviceAccount` and either `cluster` (pod identity) or `oidcProvider` (IRSA), \
        and nothing else";
    let RuntimeDetail { cluster, namespace: Some(namespace), service_account: Some(account), oidc_provider, .. } =
        detail
    else {
        return Err(unusable(Runtime::Eks, needs));
    };
    let extra = detail.audience.is_some() || detail.subject.is_some();
    if extra || detail.trusted_role.is_some() || detail.external_id.is_some() {
        return Err(unusable(Runtime::Eks, needs));
    }
    match (cluster, oidc_provider) {
        (Some(cluster), None) => {
            let clusters = arns(trusted.role, trusted.regions, "eks", &format!("cluster/{cluster}"));
            let conditions = Conditions::none()
                .and(Operator::plain(Comparison::StringEquals), "aws:RequestTag/eks-cluster-arn", clusters)
                .and_equals("aws:RequestTag/kubernetes-namespace", namespace.as_str())
                .and_equals("aws:RequestTag/kubernetes-service-account", account.as_str());
            let actions = ["sts:AssumeRole", "sts:TagSession"];
            let sid = Sid::numbered("TrustPodIdentity", 1);
            Ok(statement(sid, PrincipalKind::Service, "pods.eks.amazonaws.com", &actions, conditions))
        }
        (None, Some(provider)) => {
            let subject = format!("system:serviceaccount:{namespace}:{account}");
            Ok(web_identity(trusted, provider, "sts.amazonaws.com", &subject))
        }
        _ => Err(unusable(Runtime::Eks, needs)),
    }
}

fn external(trusted: &Trusted<'_>, detail: &RuntimeDetail) -> Result<Statement, Refusal> {
    let RuntimeDetail {
        cluster: None,
        namespace: None,
        service_account: None,
        oidc_provider,
        audience,
        subject,
        trusted_role,
        external_id,
    } = detail
    else {
        return Err(unusable(Runtime::ExternalOidc, "does not use `cluster`, `namespace` or `serviceAccount`"));
    };
    match (oidc_provider, audience, subject, trusted_role, external_id) {
        (Some(provider), Some(audience), Some(subject), None, None) => {
            Ok(web_identity(trusted, provider, audience.as_str(), subject.as_str()))
        }
        (None, None, None, Some(role), Some(external_id)) => {
            // IAM refuses a principal of another partition, and with it the whole document.
            if RoleRef::parse_arn(role.as_str()).is_none_or(|given| given.partition != trusted.role.partition) {
                let why = format!("cannot trust `{role}`, which lies outside the partition of the role that trusts it");
                return Err(unusable(Runtime::ExternalOidc, &why));
            }
            let conditions = Conditions::none().and_equals("sts:ExternalId", external_id.as_str());
            let sid = Sid::numbered("TrustNamedRole", 1);
            Ok(statement(sid, PrincipalKind::Aws, role.as_str(), &["sts:AssumeRole"], conditions))
        }
        _ => Err(unusable(
            Runtime::ExternalOidc,
            "needs either `oidcProvider`, `audience` and `subject`, or `trustedRole` and `externalId`",
        )),
    }
}

fn web_identity(trusted: &Trusted<'_>, provider: &OidcProvider, audience: &str, subject: &str) -> Statement {
    let RoleRef { partition, account_id, .. } = trusted.role;
    let arn = format!("arn:{}:iam::{account_id}:oidc-provider/{provider}", partition.as_str());
    let conditions = Conditions::none()
        .and_equals(&format!("{provider}:aud"), audience)
        .and_equals(&format!("{provider}:sub"), subject);
    let sid = Sid::numbered("TrustOidcSubject", 1);
    statement(sid, PrincipalKind::Federated, &arn, &["sts:AssumeRoleWithWebIdentity"], conditions)
}

fn from_account(trusted: &Trusted<'_>, source_arns: Vec<String>) -> Conditions {
    Conditions::none().and_equals("aws:SourceAccount", trusted.role.account_id.as_str()).and(
        Operator::plain(Comparison::ArnLike),
        "aws:SourceArn",
        source_arns,
    )
}

/// The same resource of a service in each region of the role's account.
fn arns(role: &RoleRef, regions: &BTreeSet<Region>, service: &str, resource: &str) -> Vec<String> {
    let RoleRef { partition, account_id, .. } = role;
    let partition = partition.as_str();
    regions.iter().map(|region| format!("arn:{partition}:{service}:{region}:{account_id}:{resource}")).collect()
}

fn statement(
    sid: Sid,
    kind: PrincipalKind,
    principal: &str,
    actions: &[&'static str],
    conditions: Conditions,
) -> Statement {
    Statement {
        sid: Some(sid),
        effect: Effect::Allow,
        principals: Some(BTreeMap::from([(kind, Values(BTreeSet::from([principal.to_owned()])))])),
        actions: Actions::Only(actions.iter().copied().map(Action::known).collect()),
        resources: None,
        conditions,
    }
}

fn unusable(runtime: Runtime, why: &str) -> Refusal {
    Refusal::new(RefusalKind::InvalidValue, format!("runtimeDetail: the runtime `{}` {why}", runtime.as_str()))
}
