//! cur-ingestion.
