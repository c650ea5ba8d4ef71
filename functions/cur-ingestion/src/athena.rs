//! Athena: submitting a query, asking how it stands, reading its result. Nothing here waits.

use aws_sdk_athena::Client;
use aws_sdk_athena::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_athena::types::{QueryExecutionContext, QueryExecutionState, ResultConfiguration};
use domain::spend::bill::step::QueryState;
use lambda::{Aws, Environment, EnvironmentError};

use crate::result_file::Records;
use crate::row::Row;

/// Most rows that a page of results holds (GetQueryResults).
const PAGE_ROWS_MAX: i32 = 1000;

/// Pages that are asked for one by one before the result's file is read instead.
const PAGES_MAX: usize = 3;

/// How both queries name their table.
const TABLE_IN_SQL: &str = "FROM cur\n";

/// The workgroup, and the table that the export is.
#[derive(Debug)]
pub(crate) struct Athena {
    client: Client,
    objects: aws_sdk_s3::Client,
    database: String,
    table: String,
    workgroup: String,
    output: String,
}

/// Why Athena was of no help.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AthenaError {
    /// It does not answer, or refuses for now.
    #[error("{operation} failed: {why}")]
    Call { operation: &'static str, why: String },
    /// The query or its result is not kept any more.
    #[error("the result of query `{query}` is not kept any more: {why}; the delivery is to be read again")]
    Gone { query: String, why: String },
    /// The result is not of the query that was sent.
    #[error("the result of query `{query}` begins with the columns {found}; this version reads others")]
    Columns { query: String, found: String },
}

impl Athena {
    /// From the variables that the template sets.
    ///
    /// # Errors
    /// When one is missing, or the table's name could break out of the SQL.
    pub(crate) fn from_env(aws: &Aws, env: &Environment) -> Result<Self, EnvironmentError> {
        let table = env.require("CUR_TABLE")?.to_owned();
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !table.chars().all(is_name) {
            let why = "a table's name holds a-z, 0-9 and _ only".to_owned();
            return Err(EnvironmentError::Broken { name: "CUR_TABLE".to_owned(), why });
        }
        Ok(Self {
            client: Client::new(&aws.config()),
            // The bucket's name may hold dots, which no certificate covers below the endpoint's own name.
            objects: aws_sdk_s3::Client::from_conf(
                aws_sdk_s3::config::Builder::from(&aws.config()).force_path_style(true).build(),
            ),
            database: env.require("CUR_DATABASE")?.to_owned(),
            table,
            workgroup: env.require("ATHENA_WORKGROUP")?.to_owned(),
            output: format!("s3://{}/athena/", env.require("RESULTS_BUCKET")?),
        })
    }

    /// Submits a query. The same token again is the same query.
    pub(crate) async fn submit(&self, sql: &str, parameters: Vec<String>, token: &str) -> Result<String, AthenaError> {
        let sql = sql.replace(TABLE_IN_SQL, &format!("FROM {}\n", self.table));
        let started = self
            .client
            .start_query_execution()
            .query_string(sql)
            .set_execution_parameters(Some(parameters))
            .client_request_token(token)
            .query_execution_context(QueryExecutionContext::builder().database(&self.database).build())
            .result_configuration(ResultConfiguration::builder().output_location(&self.output).build())
            .work_group(&self.workgroup)
            .send()
            .await
            .map_err(|e| failed("StartQueryExecution", &e))?;
        let no_id = || AthenaError::Call { operation: "StartQueryExecution", why: "it gave no id".to_owned() };
        started.query_execution_id.ok_or_else(no_id)
    }

    /// How a query stands. One that Athena does not know any more has failed.
    pub(crate) async fn state_of(&self, query: &str) -> Result<QueryState, AthenaError> {
        let answer = self.client.get_query_execution().query_execution_id(query).send().await;
        let execution = match answer {
            Ok(answer) => answer.query_execution,
            Err(error) if error.code() == Some("InvalidRequestException") => {
                return Ok(QueryState::Failed(error.message().unwrap_or("Athena does not know the query").to_owned()));
            }
            Err(error) => return Err(failed("GetQueryExecution", &error)),
        };
        let status = execution.and_then(|execution| execution.status);
        let reason = status.as_ref().and_then(|status| status.state_change_reason()).unwrap_or("no reason given");
        Ok(match status.as_ref().and_then(|status| status.state()) {
            Some(QueryExecutionState::Succeeded) => QueryState::Succeeded,
            Some(QueryExecutionState::Failed) => QueryState::Failed(reason.to_owned()),
            Some(QueryExecutionState::Cancelled) => QueryState::Failed(format!("cancelled: {reason}")),
            _ => QueryState::Running,
        })
    }

    /// Hands on every row of a result without the row of names with which it begins: a small one page by page, a
    /// large one from its file in S3, where each thousand rows would be a call of its own.
    pub(crate) async fn rows(
        &self,
        query: &str,
        columns: &[&str],
        each: &mut (dyn FnMut(&Row) + Send),
    ) -> Result<(), AthenaError> {
        let mut rows: Vec<Row> = Vec::new();
        let mut next = None;
        for _ in 0..PAGES_MAX {
            let page = self.client.get_query_results().query_execution_id(query).max_results(PAGE_ROWS_MAX);
            let page = page.set_next_token(next).send().await;
            let page = page.map_err(|e| gone(query, &e).unwrap_or_else(|| failed("GetQueryResults", &e)))?;
            let read = page.result_set.and_then(|set| set.rows).unwrap_or_default().into_iter().map(|row| {
                let data = row.data.unwrap_or_default();
                data.into_iter().map(|datum| datum.var_char_value).collect::<Row>()
            });
            rows.extend(read);
            next = page.next_token;
            if next.is_none() {
                check_names(query, rows.first(), columns)?;
                rows.iter().skip(1).for_each(&mut *each);
                return Ok(());
            }
        }
        drop(rows);
        self.rows_of_file(query, columns, each).await
    }

    async fn rows_of_file(
        &self,
        query: &str,
        columns: &[&str],
        each: &mut (dyn FnMut(&Row) + Send),
    ) -> Result<(), AthenaError> {
        let unread = |why: String| AthenaError::Call { operation: "GetObject of a result", why };
        let answer = self.client.get_query_execution().query_execution_id(query).send().await;
        let answer = answer.map_err(|e| gone(query, &e).unwrap_or_else(|| failed("GetQueryExecution", &e)))?;
        let execution = answer.query_execution;
        let location = execution.and_then(|execution| execution.result_configuration?.output_location);
        let place = location.as_deref().and_then(|place| place.strip_prefix("s3://")?.split_once('/'));
        let (bucket, key) = place.ok_or_else(|| unread(format!("query `{query}` names no file: {location:?}")))?;
        let object = self.objects.get_object().bucket(bucket).key(key).send().await;
        let mut body = object.map_err(|e| gone(query, &e).unwrap_or_else(|| failed("GetObject", &e)))?.body;
        let mut records = Records::default();
        let mut names: Option<Result<(), AthenaError>> = None;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|e| unread(e.to_string()))?;
            let taken = records.take(&chunk, |row| match &names {
                None => names = Some(check_names(query, Some(&row), columns)),
                Some(_) => each(&row),
            });
            taken.map_err(|e| unread(e.to_string()))?;
            if let Some(Err(_)) = &names {
                break;
            }
        }
        names.unwrap_or_else(|| check_names(query, None, columns))?;
        records.finish().map_err(|e| unread(e.to_string()))
    }
}

fn check_names(query: &str, names: Option<&Row>, columns: &[&str]) -> Result<(), AthenaError> {
    let names: Vec<&str> = names.into_iter().flatten().flatten().map(String::as_str).collect();
    let found = || names.join(", ");
    if names == columns { Ok(()) } else { Err(AthenaError::Columns { query: query.to_owned(), found: found() }) }
}

/// Athena forgets queries after 45 days, and the results' bucket its files after a week.
fn gone<E>(query: &str, error: &SdkError<E>) -> Option<AthenaError>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let is_gone = matches!(error.code(), Some("InvalidRequestException" | "NoSuchKey"));
    let why = error.message().or(error.code()).unwrap_or_default().to_owned();
    is_gone.then(|| AthenaError::Gone { query: query.to_owned(), why })
}

fn failed<E>(operation: &'static str, error: &SdkError<E>) -> AthenaError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let why = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => error.to_string(),
    };
    AthenaError::Call { operation, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query;

    #[test]
    fn both_queries_name_the_table_where_it_is_put_in() -> anyhow::Result<()> {
        let portion = query::Portion { month: "2026-08".parse()?, execution: None };
        assert_eq!(query::facts_sql(&portion, "finops-workspace")?.matches(TABLE_IN_SQL).count(), 1);
        assert_eq!(query::control_sql(&portion).matches(TABLE_IN_SQL).count(), 2);
        Ok(())
    }
}
