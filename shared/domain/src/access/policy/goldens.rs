//! A golden file for every kind of approval on both platforms, each through the linter, and every refusal.

use std::collections::BTreeSet;

use super::compile;
use super::document::{Action, Document};
use super::fixtures::{self, GLOBAL_PROFILE, OWN_PROFILE, SONNET, US_PROFILE, agentic, bedrock, claude, role, through};
use super::grant::Grant;
use super::linter::{DocumentKind, lint};
use super::organisation::organisation_deny;
use super::trust::{DOCUMENTED, Runtime, RuntimeDetail, Trusted, trust};
use crate::base::aws::profile::ProfileKind;
use crate::base::platform::{ModelAction, Platform};
use ModelAction::{Batch, CountTokens, Files, Inference, Invoke, Stream};

const NOVA: &str = "amazon.nova-lite-v1:0";
const US: [&str; 3] = ["us-east-1", "us-east-2", "us-west-2"];

fn golden(name: &str, document: &Document, kind: DocumentKind) {
    assert_eq!(lint(document, kind), Vec::<String>::new(), "{name}");
    insta::with_settings!({ prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, document.to_file());
    });
}

fn compiled(name: &str, grants: &[Grant]) -> anyhow::Result<Document> {
    let document = compile(&role()?, grants)?;
    golden(name, &document, DocumentKind::Identity);
    let mut reversed = grants.to_vec();
    reversed.reverse();
    assert_eq!(compile(&role()?, &reversed)?, document, "{name}: the order of grants shows");
    assert_eq!(Document::parse(&document.to_file())?, document, "{name}: it does not read back");
    Ok(document)
}

#[test]
fn bedrock_policies() -> anyhow::Result<()> {
    let in_region = compiled("bedrock-in-region", &[bedrock(NOVA, &[Invoke, Stream])?])?;
    assert!(in_region.size_characters() <= 2_000);
    let sonnet = || bedrock(SONNET, &[Invoke, Stream]);
    let cross = compiled("bedrock-cross-region-profile", &[through(sonnet()?, US_PROFILE, ProfileKind::System, &US)])?;
    assert!(cross.size_characters() <= 2_000);
    compiled("bedrock-global-profile", &[through(sonnet()?, GLOBAL_PROFILE, ProfileKind::Global, &["", "us-east-1"])])?;
    compiled("bedrock-application-profile", &[through(sonnet()?, OWN_PROFILE, ProfileKind::Application, &US)])?;
    compiled("bedrock-all-standard-actions", &[bedrock(NOVA, &[Invoke, Stream, Batch, CountTokens])?])?;
    let everything = bedrock(SONNET, &[Invoke, Stream, Batch, CountTokens])?;
    compiled("bedrock-all-actions-profile", &[through(everything, US_PROFILE, ProfileKind::System, &US)])?;
    let mut sigv4_only = bedrock(NOVA, &[Invoke])?;
    sigv4_only.sigv4_only = true;
    compiled("bedrock-sigv4-only", &[sigv4_only])?;
    Ok(())
}

#[test]
fn agentic_policies() -> anyhow::Result<()> {
    let agents = ["InvokeAgent", "bedrock:retrieve", "RetrieveAndGenerate"];
    compiled("bedrock-agentic-actions", &[agentic(bedrock(SONNET, &[Invoke])?, &[], &agents)])?;
    let servers = agentic(bedrock(SONNET, &[Invoke])?, &["eks-mcp.amazonaws.com"], &[]);
    compiled("bedrock-agentic-servers", std::slice::from_ref(&servers))?;
    compiled("bedrock-agentic-beside-standard", &[servers, bedrock(NOVA, &[Invoke, Stream])?])?;
    let sessions = agentic(claude("wrkspc_01Ab", &[Inference])?, &[], &["CreateSession", "GetSession"]);
    compiled("claude-agentic", &[sessions])?;
    Ok(())
}

#[test]
fn claude_and_merged_policies() -> anyhow::Result<()> {
    compiled("claude-inference", &[claude("wrkspc_01Ab", &[Inference, CountTokens])?])?;
    compiled("claude-all-standard-actions", &[claude("wrkspc_01Ab", &[Inference, CountTokens, Batch, Files])?])?;
    let mut sigv4_only = claude("wrkspc_02Cd", &[Inference])?;
    sigv4_only.sigv4_only = true;
    compiled("claude-two-workspaces", &[claude("wrkspc_01Ab", &[Inference])?, sigv4_only])?;
    let two_models = [bedrock(NOVA, &[Invoke, Stream])?, bedrock("amazon.nova-pro-v1:0", &[Invoke, Stream])?];
    compiled("bedrock-two-models", &two_models)?;
    compiled("both-platforms-on-one-role", &[bedrock(NOVA, &[Invoke])?, claude("wrkspc_01Ab", &[Inference])?])?;
    let engineer =
        super::claude::engineer_permissions(&role()?, &"us-west-2".parse()?, "finops-ai-checkout-assistant")?;
    golden("claude-engineer-permissions", &engineer, DocumentKind::Identity);
    let caller = super::claude::caller_permissions(&role()?, &"us-west-2".parse()?, "finops-ai-checkout-assistant")?;
    golden("claude-caller-permissions", &caller, DocumentKind::Identity);
    Ok(())
}

#[test]
fn organisation_denies() -> anyhow::Result<()> {
    for (name, model) in [("organisation-deny", NOVA), ("organisation-deny-without-version", "anthropic.claude-v2")] {
        golden(name, &organisation_deny(Platform::Bedrock, &model.parse()?)?, DocumentKind::Organisation);
    }
    assert!(organisation_deny(Platform::ClaudePlatform, &"claude-sonnet-4-6".parse()?).is_err());
    Ok(())
}

#[test]
fn trust_policies() -> anyhow::Result<()> {
    let (role, none) = (role()?, BTreeSet::new());
    let one = BTreeSet::from(["us-east-1".parse()?]);
    let two = BTreeSet::from(["us-east-1".parse()?, "eu-west-1".parse()?]);
    let irsa = r#"{"oidcProvider":"oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE","namespace":"shop","serviceAccount":"checkout"}"#;
    let third_party = r#"{"trustedRole":"arn:aws:iam::444455556666:role/Partner","externalId":"finops-7f3a"}"#;
    let github = r#"{"oidcProvider":"token.actions.githubusercontent.com","audience":"sts.amazonaws.com","subject":"repo:acme/shop:ref:refs/heads/main"}"#;
    for (name, runtime, detail, batch_regions) in [
        ("trust-lambda", Runtime::Lambda, "{}", &none),
        ("trust-lambda-with-batch", Runtime::Lambda, "{}", &two),
        ("trust-ecs", Runtime::Ecs, "{}", &none),
        ("trust-ec2", Runtime::Ec2, "{}", &none),
        ("trust-sagemaker", Runtime::Sagemaker, "{}", &none),
        (
            "trust-eks-pod-identity",
            Runtime::Eks,
            r#"{"cluster":"prod","namespace":"shop","serviceAccount":"checkout"}"#,
            &none,
        ),
        ("trust-eks-oidc", Runtime::Eks, irsa, &none),
        ("trust-external-oidc", Runtime::ExternalOidc, github, &none),
        ("trust-external-role", Runtime::ExternalOidc, third_party, &none),
    ] {
        let detail: RuntimeDetail = serde_json::from_str(detail)?;
        let trusted = Trusted { role: &role, regions: &one, runtime, detail: Some(&detail), batch_regions };
        golden(name, &trust(&trusted)?, DocumentKind::Trust);
    }
    let trusted = Trusted { role: &role, regions: &two, runtime: Runtime::Ecs, detail: None, batch_regions: &none };
    golden("trust-ecs-in-two-regions", &trust(&trusted)?, DocumentKind::Trust);
    Ok(())
}

#[test]
fn the_page_of_authorisation_shows_the_table_of_principals_and_conditions() {
    let page = include_str!("../../../../../docs/authorisation.md");
    for row in DOCUMENTED {
        let keys: Vec<String> = row.keys.iter().map(|key| format!("`{key}`")).collect();
        let keys = if keys.is_empty() { "none documented".to_owned() } else { keys.join(", ") };
        let line = format!("| {} | {} | {keys} | {} |\n", row.caller, row.principal, row.page);
        assert!(page.contains(&line), "docs/authorisation.md lacks {line}");
    }
}

#[test]
fn a_runtime_refuses_detail_that_it_lacks_or_does_not_use() -> anyhow::Result<()> {
    let (role, regions, none) = (role()?, BTreeSet::from(["us-east-1".parse()?]), BTreeSet::new());
    for (runtime, detail) in [
        (Runtime::Lambda, r#"{"cluster":"prod"}"#),
        (Runtime::Eks, "{}"),
        (Runtime::Eks, r#"{"namespace":"shop","serviceAccount":"checkout"}"#),
        (Runtime::Eks, r#"{"namespace":"shop","serviceAccount":"checkout","cluster":"prod","oidcProvider":"a.b/id"}"#),
        (Runtime::ExternalOidc, r#"{"oidcProvider":"a.b"}"#),
        (Runtime::ExternalOidc, r#"{"trustedRole":"arn:aws:iam::444455556666:role/Partner"}"#),
        (
            Runtime::ExternalOidc,
            r#"{"trustedRole":"arn:aws-cn:iam::444455556666:role/Partner","externalId":"finops-7f3a"}"#,
        ),
        (Runtime::ExternalOidc, r#"{"cluster":"prod","oidcProvider":"a.b","audience":"x","subject":"y"}"#),
    ] {
        let read: RuntimeDetail = serde_json::from_str(detail)?;
        let trusted = Trusted { role: &role, regions: &regions, runtime, detail: Some(&read), batch_regions: &none };
        assert!(trust(&trusted).is_err(), "{runtime:?} {detail}");
    }
    for hostile in [
        r#"{"subject":"repo:acme/*"}"#,
        r#"{"trustedRole":"arn:aws:iam::444455556666:root"}"#,
        r#"{"trustedRole":"arn:aws:iam::444455556666:role/*"}"#,
        r#"{"trustedRole":"arn:aws:sts::444455556666:assumed-role/R/s"}"#,
        r#"{"externalId":"a b"}"#,
        r#"{"namespace":"$(id)"}"#,
        r#"{"oidcProvider":"https://a.b"}"#,
        r#"{"root":true}"#,
    ] {
        assert!(serde_json::from_str::<RuntimeDetail>(hostile).is_err(), "{hostile}");
    }
    Ok(())
}

#[test]
fn what_iam_cannot_express_is_refused_and_says_why() -> anyhow::Result<()> {
    let check = |grants: &[Grant], expected: &str| -> anyhow::Result<()> {
        let why = compile(&role()?, grants).err().map(|r| r.detail).unwrap_or_default();
        assert!(why.contains(expected), "`{why}` lacks `{expected}`");
        Ok(())
    };
    let nova = || bedrock(NOVA, &[Invoke]);
    check(&[], "delete its policy")?;
    let other_role = fixtures::bedrock(NOVA, &[Invoke]).map(|mut g| {
        g.role.account_id = "444455556666".parse()?;
        anyhow::Ok(g)
    })??;
    check(&[other_role], "the document is for")?;
    let mut gov = nova()?;
    gov.region = "us-gov-west-1".parse()?;
    check(&[gov], "partition")?;
    check(&[bedrock(NOVA, &[])?], "no action")?;
    check(&[bedrock(NOVA, &[Inference])?], "does not exist on Bedrock")?;
    check(&[bedrock(NOVA, &[ModelAction::Agents])?], "tier `agentic`")?;
    check(&[agentic(nova()?, &[], &[])], "named actions or MCP servers")?;
    check(&[agentic(nova()?, &[], &["iam:CreateUser"])], "not an action of agents")?;
    check(&[agentic(nova()?, &["evil.example.com"], &[])], "managed MCP server")?;
    check(&[agentic(claude("wrkspc_01Ab", &[Inference])?, &["eks-mcp.amazonaws.com"], &[])], "Bedrock only")?;
    check(&[through(nova()?, US_PROFILE, ProfileKind::System, &[])], "lists no model")?;
    check(&[through(nova()?, US_PROFILE, ProfileKind::Global, &US)], "does not fit")?;
    check(&[through(nova()?, &US_PROFILE.replace("1111", "4444"), ProfileKind::System, &US)], "does not fit")?;
    check(&[through(nova()?, &US_PROFILE.replace("us.", "*."), ProfileKind::System, &US)], "does not fit")?;
    let mut other_model = through(nova()?, US_PROFILE, ProfileKind::System, &US);
    other_model.model_id = SONNET.parse()?;
    check(&[other_model], "not the approved model")?;
    let mut unregistered = claude("wrkspc_01Ab", &[Inference])?;
    unregistered.workspace = None;
    check(&[unregistered], "not registered yet")?;
    let mut elsewhere = claude("wrkspc_01Ab", &[Inference])?;
    elsewhere.region = "us-east-1".parse()?;
    check(&[elsewhere], "another account or region")?;
    let many: Vec<Grant> = (0..40)
        .map(|n| {
            let grant = bedrock(&format!("vendor.model-{n}-v1:0"), &[Invoke, Stream])?;
            let arn = format!("{OWN_PROFILE}{n}");
            Ok(through(grant, &arn, ProfileKind::Application, &US))
        })
        .collect::<anyhow::Result<_>>()?;
    check(&many, "split by role")
}

#[test]
fn every_action_in_the_tables_is_one_that_iam_accepts() {
    let tables = super::agents::BEDROCK.iter().chain(&super::agents::CLAUDE_PLATFORM);
    for action in tables {
        assert_eq!(Action::parse(action).as_ref().map(Action::as_str), Some(*action));
    }
}
