use std::sync::Arc;

use anyhow::{Context as _, Result};
use http::StatusCode;
use local::athena::{Athena, State};
use local::sample;
use serde_json::{Value, json};

use super::harness::{Bench, settings, text};

const TOKEN: &str = "a-client-request-token-of-32-characters-or-more";

#[tokio::test]
async fn the_same_token_is_the_same_query_and_another_query_under_it_is_refused() -> Result<()> {
    let bench = Bench::over(&sample::shipped())?;
    let start = json!({"QueryString": "SELECT 1", "ClientRequestToken": TOKEN});
    let (_, first) = bench.call("StartQueryExecution", &start).await?;
    let (status, again) = bench.call("StartQueryExecution", &start).await?;
    assert_eq!((status, &again), (StatusCode::OK, &first));
    let other = json!({"QueryString": "SELECT 2", "ClientRequestToken": TOKEN});
    let (status, refused) = bench.call("StartQueryExecution", &other).await?;
    assert_eq!((status, text(&refused, "/__type")), (StatusCode::BAD_REQUEST, "InvalidRequestException"));
    bench.athena.settled().await;
    assert_eq!(bench.changes.lock().map_or(0, |changes| changes.len()), 3, "it ran once");
    Ok(())
}

#[tokio::test]
async fn every_change_of_state_is_told_in_the_form_of_eventbridge() -> Result<()> {
    let bench = Bench::over(&sample::shipped())?;
    let execution = bench.run("SELECT count(*) FROM cur", &[]).await?;
    let changes = bench.changes.lock().map(|changes| changes.clone()).unwrap_or_default();
    let states: Vec<_> = changes.iter().map(|change| (change.previous, change.current)).collect();
    assert_eq!(
        states,
        [(None, State::Queued), (Some(State::Queued), State::Running), (Some(State::Running), State::Succeeded)]
    );
    let event = changes.last().context("it ended")?.event("111122223333", "us-east-1");
    assert_eq!(text(&event, "/detail-type"), "Athena Query State Change");
    assert_eq!(text(&event, "/detail/currentState"), "SUCCEEDED");
    assert_eq!(text(&event, "/detail/previousState"), "RUNNING");
    assert_eq!(text(&event, "/detail/workgroupName"), "primary");
    assert_eq!(text(&event, "/detail/sequenceNumber"), "3");
    assert_eq!(text(&event, "/detail/queryExecutionId"), text(&execution, "/QueryExecutionId"));
    Ok(())
}

#[tokio::test]
async fn only_the_columns_and_months_asked_for_are_scanned() -> Result<()> {
    let bench = Bench::over(&sample::shipped())?;
    let scanned = |execution: &Value| execution.pointer("/Statistics/DataScannedInBytes").and_then(Value::as_u64);
    let all = bench.run("SELECT * FROM cur", &[]).await?;
    let month = bench.run("SELECT * FROM cur WHERE billing_period = ?", &["'2026-08'".to_owned()]).await?;
    let column =
        bench.run("SELECT sum(line_item_unblended_cost) FROM cur WHERE billing_period IN ('2026-08')", &[]).await?;
    let (all, month, column) = (scanned(&all), scanned(&month), scanned(&column));
    assert!(all > month && month > column && column > Some(0), "{all:?} {month:?} {column:?}");
    Ok(())
}

#[tokio::test]
async fn what_does_not_read_fails_and_touches_nothing() -> Result<()> {
    let bench = Bench::over(&sample::shipped())?;
    let outside = bench.folder.path().join("outside.csv");
    for sql in [
        format!("COPY (SELECT 1) TO '{}'", outside.display()),
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{}'", outside.display()),
        "DROP TABLE cur".to_owned(),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        "SELECT nothing FROM cur".to_owned(),
        "SELECT 1 FROM somewhere_else".to_owned(),
        "SELEC".to_owned(),
        "SELECT ?".to_owned(),
    ] {
        let execution = bench.run(&sql, &[]).await?;
        assert_eq!(text(&execution, "/Status/State"), "FAILED", "{sql}");
        assert!(!text(&execution, "/Status/StateChangeReason").is_empty(), "{sql}");
    }
    assert!(!outside.exists());
    let id = json!({"QueryExecutionId": text(&bench.run("SELEC", &[]).await?, "/QueryExecutionId")});
    let (status, refused) = bench.call("GetQueryResults", &id).await?;
    assert_eq!((status, text(&refused, "/__type")), (StatusCode::BAD_REQUEST, "InvalidRequestException"));
    Ok(())
}

#[tokio::test]
async fn a_malformed_call_is_an_invalid_request() -> Result<()> {
    let bench = Bench::over(&sample::shipped())?;
    let query = |more: Value| {
        let mut body = json!({"QueryString": "SELECT 1"});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        body
    };
    for (operation, body) in [
        ("StartQueryExecution", json!({})),
        ("StartQueryExecution", json!({"QueryString": " "})),
        ("StartQueryExecution", query(json!({"ClientRequestToken": "short"}))),
        ("StartQueryExecution", query(json!({"WorkGroup": "../x"}))),
        ("StartQueryExecution", query(json!({"ResultConfiguration": {"OutputLocation": "s3://b/../../etc"}}))),
        ("StartQueryExecution", query(json!({"ResultConfiguration": {"OutputLocation": "/tmp"}}))),
        ("StartQueryExecution", query(json!({"ExecutionParameters": ["x".repeat(1025)]}))),
        ("StartQueryExecution", query(json!({"ExecutionParameters": [""]}))),
        ("GetQueryExecution", json!({"QueryExecutionId": "nobody"})),
        ("GetQueryResults", json!({"QueryExecutionId": "nobody"})),
        ("StopQueryExecution", json!({"QueryExecutionId": "nobody"})),
        ("BatchGetQueryExecution", json!({"QueryExecutionIds": []})),
        ("CreateWorkGroup", json!({})),
    ] {
        let (status, refused) = bench.call(operation, &body).await?;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{operation} {body}");
        assert_eq!(text(&refused, "/__type"), "InvalidRequestException", "{operation} {body}");
        assert!(!text(&refused, "/Message").is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn queries_and_results_survive_a_restart() -> Result<()> {
    let bench = Bench::over(&sample::shipped())?;
    let execution = bench.run("SELECT 'kept' AS word", &[]).await?;
    let id = json!({"QueryExecutionId": text(&execution, "/QueryExecutionId")});
    let Bench { athena, folder, .. } = bench;
    drop(athena);
    let bench = Bench::within(folder, &sample::shipped())?;
    let (_, again) = bench.call("GetQueryExecution", &id).await?;
    assert_eq!(again.get("QueryExecution"), Some(&execution));
    let (_, page) = bench.call("GetQueryResults", &id).await?;
    assert_eq!(text(&page, "/ResultSet/Rows/1/Data/0/VarCharValue"), "kept");
    let both = json!({"QueryExecutionIds": [text(&execution, "/QueryExecutionId"), "x"]});
    let (_, batch) = bench.call("BatchGetQueryExecution", &both).await?;
    assert_eq!(batch.get("QueryExecutions").and_then(Value::as_array).map(Vec::len), Some(1));
    assert_eq!(text(&batch, "/UnprocessedQueryExecutionIds/0/QueryExecutionId"), "x");
    Ok(())
}

#[tokio::test]
async fn a_query_cut_off_by_a_crash_is_run_when_the_stack_comes_back() -> Result<()> {
    let bench = Bench::over(&sample::shipped())?;
    let execution = bench.run("SELECT 'again' AS word", &[]).await?;
    let id = text(&execution, "/QueryExecutionId").to_owned();
    let record = bench.folder.path().join("athena").join(format!("{id}.json"));
    let kept = std::fs::read_to_string(&record)?.replace("SUCCEEDED", "RUNNING");
    let Bench { athena, folder, .. } = bench;
    drop(athena);
    std::fs::write(&record, kept)?;
    let athena = Athena::open(settings(folder.path(), &sample::shipped()), Arc::new(|_| ()))?;
    athena.settled().await;
    assert_eq!(athena.unfinished(), 0);
    assert!(std::fs::read_to_string(&record)?.contains("SUCCEEDED"));
    Ok(())
}
