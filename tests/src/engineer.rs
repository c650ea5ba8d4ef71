//! The engineer's hands: carries the commands of a task out, word by word, against the emulated accounts, as the AWS
//! CLI would. It knows the operations that tasks on Bedrock use and refuses any other, so that no step is skipped in
//! silence.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Map, Value, json};

use crate::{World, text};

/// Options of the CLI that shape its output or say where to call; they are no parameters.
const OF_THE_CLI: [&str; 3] = ["query", "output", "region"];

/// One command, split as a shell splits it.
struct Command {
    service: String,
    operation: String,
    options: BTreeMap<String, Vec<String>>,
}

impl World {
    /// Carries out every command of a task in its account; answers what each call answered.
    ///
    /// # Errors
    /// When a call is refused, or a command is none that is known here.
    pub async fn carry_out(&self, task: &Value) -> anyhow::Result<Vec<String>> {
        let files = files_of(task);
        let account = text(task, "/accountId")?;
        let mut answers = Vec::new();
        for step in task.get("instructions").and_then(Value::as_array).into_iter().flatten() {
            if let Some(command) = step.get("command").and_then(Value::as_str) {
                answers.extend(self.aws(&account, command, &files).await?);
            }
        }
        Ok(answers)
    }

    /// Runs one line of commands in an account.
    ///
    /// # Errors
    /// As [`World::carry_out`].
    pub async fn aws(
        &self,
        account: &str,
        line: &str,
        files: &BTreeMap<String, String>,
    ) -> anyhow::Result<Vec<String>> {
        let mut answers = Vec::new();
        for words in words_of(line)?.split(|word| word == "&&") {
            let command = Command::read(words, files).with_context(|| line.to_owned())?;
            if let Some(request) = command.request(account)? {
                let response = self.local.cloud.call(request).await;
                let status = response.status();
                let body = String::from_utf8_lossy(Response::into_body(response).as_ref()).into_owned();
                ensure!(status.is_success(), "{line} answered {status}: {body}");
                answers.push(body);
            }
        }
        Ok(answers)
    }
}

/// The files of a task, by name.
fn files_of(task: &Value) -> BTreeMap<String, String> {
    let artifacts = task.get("artifacts").and_then(Value::as_array).into_iter().flatten();
    artifacts
        .filter_map(|a| Some((a.get("name")?.as_str()?.to_owned(), a.get("content")?.as_str()?.to_owned())))
        .collect()
}

impl Command {
    fn read(words: &[String], files: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let [program, service, operation, rest @ ..] = words else { bail!("no command") };
        ensure!(program == "aws", "`{program}` is not known here");
        let mut options: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut current = None;
        for word in rest {
            match word.strip_prefix("--") {
                Some(option) => {
                    let (name, value) = option.split_once('=').map_or((option, None), |(n, v)| (n, Some(v)));
                    options.entry(name.to_owned()).or_default().extend(value.map(str::to_owned));
                    current = Some(name.to_owned());
                }
                None => {
                    let value = match word.strip_prefix("file://") {
                        Some(name) => files.get(name).with_context(|| format!("there is no file {name}"))?.clone(),
                        None => word.clone(),
                    };
                    // `wait role-exists`: its name is the first word.
                    options.entry(current.clone().unwrap_or_default()).or_default().push(value);
                }
            }
        }
        Ok(Self { service: service.clone(), operation: operation.clone(), options })
    }

    fn option(&self, name: &str) -> &str {
        self.options.get(name).and_then(|values| values.first()).map_or("", String::as_str)
    }

    /// The request that the CLI would send; none for what only waits or says who one is.
    fn request(&self, account: &str) -> anyhow::Result<Option<Request<Bytes>>> {
        let region = if self.option("region").is_empty() { "us-east-1" } else { self.option("region") };
        let scope = format!("AKIA{account}LEAD/20260824/{region}/{}/aws4_request", self.service);
        let signed = Request::builder().header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}"));
        let host = format!("https://{}.{region}.amazonaws.com", self.service);
        let request = match (self.service.as_str(), self.operation.as_str()) {
            ("iam", "wait") | ("sts", "get-caller-identity") => return Ok(None),
            ("iam", _) => signed
                .method(Method::POST)
                .uri("https://iam.amazonaws.com/")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Bytes::from(self.form()?)),
            ("bedrock", "list-foundation-models") => signed.uri(format!("{host}/foundation-models")).body(Bytes::new()),
            ("bedrock", "list-inference-profiles") => {
                signed.uri(format!("{host}/inference-profiles?type={}", self.option("type-equals"))).body(Bytes::new())
            }
            ("bedrock", "create-inference-profile") => {
                let source = self.option("model-source").strip_prefix("copyFrom=").context("no copyFrom")?;
                let body = json!({
                    "inferenceProfileName": self.option("inference-profile-name"),
                    "modelSource": { "copyFrom": source },
                    "tags": self.tags("key", "value")?,
                });
                signed
                    .method(Method::POST)
                    .uri(format!("{host}/inference-profiles"))
                    .body(Bytes::from(body.to_string()))
            }
            ("bedrock", "delete-inference-profile") => {
                let profile = encoded(self.option("inference-profile-identifier"));
                signed.method(Method::DELETE).uri(format!("{host}/inference-profiles/{profile}")).body(Bytes::new())
            }
            ("bedrock", "tag-resource") => {
                let body = json!({ "resourceARN": self.option("resource-arn"), "tags": self.tags("key", "value")? });
                signed.method(Method::POST).uri(format!("{host}/tagResource")).body(Bytes::from(body.to_string()))
            }
            (service, operation) => bail!("`aws {service} {operation}` is not known here"),
        };
        Ok(Some(request?))
    }

    /// The Query API's form of the call.
    fn form(&self) -> anyhow::Result<String> {
        let mut fields =
            vec![("Action".to_owned(), pascal(&self.operation)), ("Version".to_owned(), "2010-05-08".to_owned())];
        for (name, values) in self.options.iter().filter(|(name, _)| !OF_THE_CLI.contains(&name.as_str())) {
            if name == "tags" {
                for (place, tag) in (1..).zip(self.tags("Key", "Value")?) {
                    fields.push((format!("Tags.member.{place}.Key"), text(&tag, "/Key")?));
                    fields.push((format!("Tags.member.{place}.Value"), text(&tag, "/Value")?));
                }
            } else {
                fields.push((pascal(name), values.first().cloned().unwrap_or_default()));
            }
        }
        Ok(fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&"))
    }

    /// `--tags 'Key=a,Value=b' …` as objects of these two fields.
    fn tags(&self, key: &str, value: &str) -> anyhow::Result<Vec<Value>> {
        let read = |tag: &String| -> anyhow::Result<Value> {
            let (named, valued) = tag.split_once(',').with_context(|| format!("`{tag}` is no tag"))?;
            let of = |part: &str, name: &str| part.strip_prefix(&format!("{name}=")).map(str::to_owned);
            let (named, valued) =
                of(named, key).zip(of(valued, value)).with_context(|| format!("`{tag}` is no tag"))?;
            Ok(Value::Object(Map::from_iter([(key.to_owned(), named.into()), (value.to_owned(), valued.into())])))
        };
        self.options.get("tags").into_iter().flatten().map(read).collect()
    }
}

/// The words of a line as a POSIX shell splits them: blanks, single quotes, and a backslash before one character. What
/// a shell would expand is refused.
fn words_of(line: &str) -> anyhow::Result<Vec<String>> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('\'') => break,
                        Some(inside) => word.push(inside),
                        None => bail!("an open quote in {line}"),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(characters.next()),
            '$' | '`' | '"' | ';' | '|' | '>' | '<' | '\n' => bail!("a shell would read `{character}` in {line}"),
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Ok(words)
}

/// `put-role-policy` as `PutRolePolicy`.
fn pascal(name: &str) -> String {
    let capital = |part: &str| {
        let mut characters = part.chars();
        characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect::<String>()
    };
    name.split('-').map(capital).collect()
}

fn encoded(value: &str) -> String {
    let encode = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    value.bytes().map(encode).collect()
}
