//! The hand-off of each platform, and that its snippets read nothing but the environment it names.

use super::*;
use crate::instructions::fixtures::{on_bedrock, on_claude};

#[test]
fn a_handoff_names_everything_that_its_snippets_read() -> anyhow::Result<()> {
    for (name, chain) in [("bedrock", on_bedrock()?), ("claude-platform", on_claude(true)?)] {
        let handoff = handoff(&chain)?;
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
