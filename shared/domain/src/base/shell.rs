//! Quotes values for a POSIX shell, so that whatever a person typed stays one inert word of a command.

/// `value` as one single-quoted word; a single quote inside becomes `'\''` (POSIX.1, Shell Command Language, 2.2.2).
/// NUL cannot be passed to any program and is left out.
#[must_use]
pub fn quote(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('\'');
    for character in value.chars().filter(|c| *c != '\0') {
        match character {
            '\'' => quoted.push_str("'\\''"),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What a real shell makes of the quoted words.
    fn through_shell(values: &[String]) -> std::io::Result<String> {
        let words: Vec<String> = values.iter().map(|v| quote(v)).collect();
        let output = Command::new("sh").arg("-c").arg(format!("printf '%s\\n' {}", words.join(" "))).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    #[test]
    fn hostile_values_reach_the_program_unchanged() -> std::io::Result<()> {
        let values: Vec<String> = [
            "",
            "plain",
            "it's",
            "''",
            "$(touch /tmp/x)",
            "`id`",
            "$HOME",
            "a;b|c&d>e<f",
            "line\nfeed",
            "-rf",
            "--help",
            "\"quoted\"",
            "back\\slash",
            "\u{65e5}\u{672c}\u{8a9e}",
            "!history",
            "*",
            "~",
            "#comment",
            "a\tb",
            "%s",
        ]
        .map(str::to_owned)
        .into();
        let expected: String = values.iter().map(|v| format!("{v}\n")).collect();
        assert_eq!(through_shell(&values)?, expected);
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_value_is_one_inert_word(values in proptest::collection::vec("[^\\x00]{0,40}", 1..8)) {
            let expected: String = values.iter().map(|v| format!("{v}\n")).collect();
            prop_assert_eq!(through_shell(&values).unwrap_or_default(), expected);
        }
    }
}
