//! The snippets themselves: whole programs that read the environment, so that no value is ever pasted into code.

use super::{Language, Snippet};

pub(super) fn bedrock() -> Vec<Snippet> {
    vec![
        snippet(Language::Python, "pip install boto3", include_str!("snippets/bedrock.py")),
        snippet(
            Language::Typescript,
            "npm install @aws-sdk/client-bedrock-runtime",
            include_str!("snippets/bedrock.ts"),
        ),
        snippet(
            Language::Rust,
            "cargo add aws-config aws-sdk-bedrockruntime && cargo add tokio --features full",
            include_str!("snippets/bedrock.rs.txt"),
        ),
    ]
}

pub(super) fn claude_platform() -> Vec<Snippet> {
    vec![
        snippet(Language::Python, "pip install 'anthropic>=2' boto3", include_str!("snippets/claude.py")),
        snippet(
            Language::Typescript,
            "npm install @anthropic-ai/sdk @aws-crypto/sha256-js @aws-sdk/credential-provider-node \
             @smithy/signature-v4",
            include_str!("snippets/claude.ts"),
        ),
        snippet(
            Language::Rust,
            "cargo add aws-config aws-credential-types aws-sigv4 http serde_json reqwest && cargo add tokio \
             --features full",
            include_str!("snippets/claude.rs.txt"),
        ),
    ]
}

fn snippet(language: Language, install: &str, code: &str) -> Snippet {
    Snippet { language, install: install.to_owned(), code: code.to_owned() }
}
