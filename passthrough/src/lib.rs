//! The passthrough function: takes a call of the Claude Platform's API, refuses what is not approved, signs the rest under
//! its execution role and streams the answer back.
//!
//! IAM names workspaces and actions on Claude Platform, and no model. Whoever may use the execution role can call any model
//! there; whoever comes through here can call the approved ones only, and lets the platform act for a model (search, run
//! code, call MCP servers) only where an approval of tier agentic covers it. Which are approved stands in the environment, as
//! the approval's template put it there, and nothing in a request can widen it.

mod approved;
mod betas;
mod config;
mod content;
mod event;
mod function;
mod models;
mod refusal;
mod relay;
mod route;
mod upstream;

pub use config::{Config, ConfigError};
pub use function::Passthrough;
