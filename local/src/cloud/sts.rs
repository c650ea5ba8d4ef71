//! STS: every 12-digit account exists and trusts the caller; the sessions' keys carry the account.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::answer::{Fault, element};
use super::caller::{Caller, SECRET_ACCESS_KEY, is_account_id};
use super::query::{Form, unknown_action};
use super::state::{Change, State};

const SESSIONS: &str = "sts-session";

/// What a session key stands for.
#[derive(Debug, Serialize, Deserialize)]
struct Session {
    arn: String,
    user_id: String,
}

/// The sessions handed out.
pub(crate) struct Sts {
    state: Arc<State>,
}

impl Sts {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// Answers one action with its result's inner XML.
    pub(crate) fn call(&self, caller: &Caller, form: &Form, now: Timestamp) -> Result<String, Fault> {
        match form.action() {
            "GetCallerIdentity" => self.get_caller_identity(caller),
            "AssumeRole" => self.assume_role(form, now),
            other => Err(unknown_action(other)),
        }
    }

    fn get_caller_identity(&self, caller: &Caller) -> Result<String, Fault> {
        let Caller { account, access_key, .. } = caller;
        let session: Option<Session> = self.state.load(SESSIONS, access_key)?;
        let session = session.unwrap_or_else(|| Session {
            arn: format!("arn:aws:iam::{account}:user/local"),
            user_id: format!("AIDA{account}LOCAL"),
        });
        Ok([element("Arn", &session.arn), element("UserId", &session.user_id), element("Account", account)].concat())
    }

    fn assume_role(&self, form: &Form, now: Timestamp) -> Result<String, Fault> {
        let (arn, name) = (form.require("RoleArn")?, form.require("RoleSessionName")?);
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, "iam", "", account, resource] = parts.as_slice() else { return Err(malformed(arn)) };
        let role =
            resource.strip_prefix("role/").and_then(|path| path.rsplit('/').next()).filter(|role| !role.is_empty());
        let (Some(role), true) = (role, is_account_id(account)) else { return Err(malformed(arn)) };
        let plain = |character: char| character.is_ascii_alphanumeric() || "_+=,.@-".contains(character);
        if !(2..=64).contains(&name.len()) || !name.chars().all(plain) {
            let rule = "Member must satisfy regular expression pattern: [\\w+=,.@-]*, of 2 to 64 characters";
            return Err(Fault::new(
                400,
                "ValidationError",
                format!("Value '{name}' at 'roleSessionName' failed to satisfy constraint: {rule}"),
            ));
        }
        let seconds = form.get("DurationSeconds").and_then(|text| text.parse().ok()).unwrap_or(3600);
        let access_key = format!("ASIA{account}{:08X}", rand::random::<u32>());
        let user_id = format!("AROA{account}{}:{name}", role.to_ascii_uppercase());
        let session = Session { arn: format!("arn:{partition}:sts::{account}:assumed-role/{role}/{name}"), user_id };
        self.state.commit(vec![Change::put(SESSIONS, &access_key, &session)?])?;
        let credentials = [
            element("AccessKeyId", &access_key),
            element("SecretAccessKey", SECRET_ACCESS_KEY),
            element("SessionToken", &format!("local-session-{access_key}")),
            element("Expiration", &(now + SignedDuration::from_secs(seconds)).to_string()),
        ];
        let user = [element("AssumedRoleId", &session.user_id), element("Arn", &session.arn)].concat();
        Ok(format!("<Credentials>{}</Credentials><AssumedRoleUser>{user}</AssumedRoleUser>", credentials.concat()))
    }
}

fn malformed(arn: &str) -> Fault {
    Fault::new(400, "ValidationError", format!("{arn} is invalid"))
}
