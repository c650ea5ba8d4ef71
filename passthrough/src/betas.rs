//! The platform's beta features, as the header `anthropic-beta` turns them on: which of them are no agent's.
//!
//! A list of those that are let through, and not of those that are refused: what comes next month is not known here.

/// Beta features that change how a message is counted, cached, thought about or written, without the date that ends their
/// names (Anthropic's documentation, "Beta headers"). Whatever lets the platform act by itself is not among them: MCP
/// servers, code execution, computers, skills, memory, searched tools, managed agents.
const OF_MESSAGES: [&str; 15] = [
    "context-1m",
    "dev-full-thinking",
    "effort",
    "extended-cache-ttl",
    "files-api",
    "fine-grained-tool-streaming",
    "interleaved-thinking",
    "message-batches",
    "model-context-window-exceeded",
    "output-128k",
    "pdfs",
    "prompt-caching",
    "structured-outputs",
    "token-counting",
    "token-efficient-tools",
];
/// As much of a feature's name as a refusal repeats.
const CHARS_SHOWN: usize = 60;

/// The features of the header that need an approval of tier agentic, as a refusal names them.
pub(crate) fn agentic(header: &str) -> impl Iterator<Item = String> {
    let named = header.split(',').map(str::trim).filter(|feature| !feature.is_empty());
    named.filter(|feature| !OF_MESSAGES.contains(&without_date(feature))).map(|feature| {
        let shown: String = feature.chars().take(CHARS_SHOWN).collect();
        format!("the beta feature `{shown}`")
    })
}

/// A feature's name without its date: `context-1m` of `context-1m-2025-08-07`.
fn without_date(feature: &str) -> &str {
    let date = feature.len().checked_sub("-2025-08-07".len()).and_then(|start| feature.split_at_checked(start));
    match date {
        Some((name, date)) if is_date(date) => name,
        _ => feature,
    }
}

fn is_date(text: &str) -> bool {
    text.bytes().enumerate().all(|(place, b)| if [0, 5, 8].contains(&place) { b == b'-' } else { b.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_messages_pass_and_every_other_is_named() {
        for header in ["", " , ", "context-1m", "prompt-caching-2024-07-31,files-api-2025-04-14", "effort-2025-11-24 ,"]
        {
            assert_eq!(agentic(header).count(), 0, "{header}");
        }
        for (header, expected) in [
            ("mcp-client-2025-04-04", "the beta feature `mcp-client-2025-04-04`"),
            ("context-1m-2025-08-07, code-execution-2025-08-25", "the beta feature `code-execution-2025-08-25`"),
            ("computer-use-2025-01-24", "the beta feature `computer-use-2025-01-24`"),
            ("context-1m-2025-08-07x", "the beta feature `context-1m-2025-08-07x`"),
            ("context-1m-2025-08-07-2025-08-07", "the beta feature `context-1m-2025-08-07-2025-08-07`"),
            ("Context-1m", "the beta feature `Context-1m`"),
            ("\u{e9}2025-08-07", "the beta feature `\u{e9}2025-08-07`"),
            ("of-next-year-2027-01-01", "the beta feature `of-next-year-2027-01-01`"),
        ] {
            assert_eq!(agentic(header).collect::<Vec<_>>(), [expected], "{header}");
        }
    }
}
