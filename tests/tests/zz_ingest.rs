#![allow(missing_docs, reason = "scratch")]
#[path = "system/ingestion.rs"]
mod ingestion;
