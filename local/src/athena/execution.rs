//! A query execution: its record, its states, and where it is kept.
//!
//! A record is written when the query is submitted and when it ends. After a crash the unfinished ones are run again,
//! as Athena's own go on when their caller dies.

use std::io;
use std::path::{Path, PathBuf};

use domain::base::digest::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::engine::ResultColumn;
use super::protocol::StartQueryExecution;

/// Athena's states of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Accepted.
    Queued,
    /// Running.
    Running,
    /// Ended; there is a result.
    Succeeded,
    /// Ended; the reason says why there is no result.
    Failed,
    /// Stopped.
    Cancelled,
}

impl State {
    /// Whether the query has ended.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// One query and all that is known of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Execution {
    /// Its id, in the form of a UUID.
    pub id: String,
    /// As it was submitted.
    pub request: StartQueryExecution,
    /// Where its result goes, `s3://…`.
    pub output: String,
    /// Its state.
    pub state: State,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Bytes read.
    pub scanned_bytes: u64,
    /// The result's columns.
    pub columns: Vec<ResultColumn>,
    /// How many changes of state there were.
    pub sequence: u32,
}

/// A change of state, as EventBridge hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// The query.
    pub query_execution_id: String,
    /// Its workgroup.
    pub work_group: String,
    /// The state before; none when it was submitted.
    pub previous: Option<State>,
    /// The state now.
    pub current: State,
    /// Which change it is, from 1.
    pub sequence: u32,
    /// When.
    pub at: Timestamp,
}

impl StateChange {
    /// The event as EventBridge delivers it.
    /// Source: athena/latest/ug/athena-events, "Athena query state change event".
    #[must_use]
    pub fn event(&self, account: &str, region: &str) -> Value {
        let id = uuid_of(&format!("{}#{}", self.query_execution_id, self.sequence));
        let mut detail = json!({
            "versionId": "0",
            "currentState": self.current,
            "statementType": "DML",
            "queryExecutionId": self.query_execution_id,
            "workgroupName": self.work_group,
            "sequenceNumber": self.sequence.to_string(),
        });
        if let (Some(previous), Some(detail)) = (self.previous, detail.as_object_mut()) {
            detail.insert("previousState".to_owned(), json!(previous));
        }
        json!({
            "version": "0", "id": id, "detail-type": "Athena Query State Change", "source": "aws.athena",
            "account": account, "time": self.at.to_string(), "region": region, "resources": [], "detail": detail,
        })
    }
}

impl Execution {
    /// A submitted query. The same token makes the same id, so a repeated submission finds the first one.
    #[must_use]
    pub(super) fn submitted(request: StartQueryExecution, output_folder: &str, ordinal: usize, now: Timestamp) -> Self {
        let id = match &request.client_request_token {
            Some(token) => uuid_of(token),
            None => uuid_of(&format!("{now}#{ordinal}")),
        };
        let output = format!("{}/{id}.csv", output_folder.trim_end_matches('/'));
        let (state, sequence) = (State::Queued, 1);
        let (reason, ended_at, scanned_bytes, columns) = (None, None, 0, Vec::new());
        Self { id, request, output, state, reason, submitted_at: now, ended_at, scanned_bytes, columns, sequence }
    }

    /// Moves to a state, if the query has not ended, and says so.
    pub(super) fn advance(&mut self, current: State, now: Timestamp) -> Option<StateChange> {
        if self.state.is_final() {
            return None;
        }
        let previous = std::mem::replace(&mut self.state, current);
        self.sequence += 1;
        self.ended_at = Some(now).filter(|_| current.is_final());
        Some(StateChange { previous: Some(previous), ..self.change(now) })
    }

    /// The change that led to the present state.
    #[must_use]
    pub(super) fn change(&self, now: Timestamp) -> StateChange {
        StateChange {
            query_execution_id: self.id.clone(),
            work_group: self.request.work_group.clone(),
            previous: None,
            current: self.state,
            sequence: self.sequence,
            at: now,
        }
    }

    /// Keeps the record, whole or not at all.
    ///
    /// # Errors
    /// When the folder is not writable.
    pub(super) fn save(&self, folder: &Path) -> io::Result<()> {
        let path = folder.join(format!("{}.json", self.id));
        let draft = path.with_extension("draft");
        std::fs::write(&draft, serde_json::to_vec(self)?)?;
        std::fs::File::open(&draft)?.sync_all()?;
        std::fs::rename(draft, path)
    }

    /// All records that were kept.
    ///
    /// # Errors
    /// When the folder or a record cannot be read.
    pub(super) fn load_all(folder: &Path) -> io::Result<Vec<Self>> {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<_>>()?;
        paths.sort();
        let records = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        records.map(|path| Ok(serde_json::from_slice(&std::fs::read(path)?)?)).collect()
    }
}

/// An id in the form that Athena's have.
fn uuid_of(seed: &str) -> String {
    let digest = Digest::of_bytes(seed.as_bytes());
    let part = |from: usize, to: usize| digest.hex().get(from..to).unwrap_or_default().to_owned();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}
