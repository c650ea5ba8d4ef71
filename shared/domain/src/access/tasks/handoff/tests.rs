//! The hand-off of each platform, and that its snippets read nothing but the environment it names.

use std::collections::BTreeSet;

use super::*;
use crate::access::tasks::instructions::fixtures::{on_bedrock, on_claude};

/// Every variable that a snippet reads: a name in capitals between quotes, or behind `process.env`.
fn read_by(code: &str) -> BTreeSet<&str> {
    let name = |word: &&str| word.contains('_') && word.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(name).collect()
}

#[test]
fn a_handoff_names_everything_that_its_snippets_read() -> anyhow::Result<()> {
    for (name, chain) in [("bedrock", on_bedrock()?), ("claude-platform", deployed()?)] {
        let handoff = handoff(&chain)?;
        for snippet in &handoff.snippets {
            for variable in read_by(&snippet.code) {
                assert!(handoff.environment.contains_key(variable), "{name}: nothing tells {variable}");
            }
        }
        for (variable, value) in &handoff.environment {
            let readers = handoff.snippets.iter().filter(|s| s.code.contains(variable.as_str())).count();
            assert!(readers > 0 || variable == "AWS_REGION", "{name}: nobody reads {variable}");
            assert!(handoff.snippets.iter().all(|s| !s.code.contains(value.as_str())), "{name}: {value} is pasted");
        }
        insta::with_settings!({ prepend_module_to_snapshot => false }, {
            insta::assert_json_snapshot!(name, handoff);
        });
    }
    assert!(handoff(&on_claude(false)?).is_err());
    Ok(())
}

/// A scope whose function is deployed, and its URL known.
fn deployed() -> anyhow::Result<Chain> {
    let mut chain = on_claude(true)?;
    chain.function_url = Some("https://abc123.lambda-url.us-west-2.on.aws/".to_owned());
    Ok(chain)
}

#[test]
fn without_the_functions_url_the_handoff_names_the_command_that_prints_it() -> anyhow::Result<()> {
    let mut chain = on_claude(true)?;
    chain.spec.iam_role = "a=b,c@d".parse()?;
    let handoff = handoff(&chain)?;
    assert_eq!((handoff.function_url, handoff.environment.get("CLAUDE_PASSTHROUGH_URL")), (None, None));
    let command = handoff.function_url_command.unwrap_or_default();
    assert!(command.starts_with("aws lambda get-function-url-config --function-name 'fn-a-b-c-d-"), "{command}");
    Ok(())
}

#[test]
fn only_urls_of_functions_in_the_region_are_urls_of_the_function() -> anyhow::Result<()> {
    let region = "us-west-2".parse()?;
    for (url, expected) in [
        ("https://abc123.lambda-url.us-west-2.on.aws/", true),
        ("https://abc123.lambda-url.us-west-2.on.aws", false),
        ("https://abc123.lambda-url.us-east-1.on.aws/", false),
        ("http://abc123.lambda-url.us-west-2.on.aws/", false),
        ("https://.lambda-url.us-west-2.on.aws/", false),
        ("https://evil.com/?.lambda-url.us-west-2.on.aws/", false),
        ("https://a@b.lambda-url.us-west-2.on.aws/", false),
        ("https://$(id).lambda-url.us-west-2.on.aws/", false),
    ] {
        assert_eq!(is_function_url(&region, url), expected, "{url}");
    }
    Ok(())
}
