//! The runtime edge of every function: start-up, the kinds of events, identity, answers, problems, OpenAPI.
//!
//! A function crate declares its handlers on a [`Function`]; everything that must not differ between functions happens
//! here, once. This crate decides nothing about the product: who may do what is `domain::base::authorization`'s table.
//!
//! Begin with [`Builder`], by which routes and events are declared, and [`Function::handle`], through which each of
//! them comes in. A handler of a route gets a [`Call`] and gives an [`Answer`] or a [`Problem`]; one of an event gives
//! nothing or a [`Failure`]. What either decides is written in one way, that of a call in `command`, that of a job in
//! `cause`. What a function stands on is its [`Host`]: AWS, its settings, the time, new ids.

mod answer;
mod aws;
mod bodies;
mod call;
mod cause;
mod clock;
mod command;
mod environment;
mod events;
mod function;
mod gateway;
mod host;
mod identity;
mod ids;
mod json;
mod list;
pub mod openapi;
mod page;
mod parameters;
mod people;
mod problem;
mod routes;
mod run;
mod shape;
mod sight;

pub use answer::{Answer, File};
pub use aws::{Aws, AwsStartError};
pub use bodies::{Nothing, Reason};
pub use call::{Call, Person};
pub use cause::Cause;
pub use clock::{Clock, SetClock};
pub use environment::{Environment, EnvironmentError};
pub use events::{AwsEvent, Failure, Heard, StreamBatch, StreamFailure, StreamRecord, Tick, Tried};
pub use function::{Builder, Function, Handler, Start};
pub use host::Host;
pub use ids::Ids;
pub use list::list_page;
pub use page::{LIMIT_DEFAULT, LIMIT_MAX, Page, PageRequest};
pub use parameters::{Path, Query};
pub use problem::Problem;
pub use routes::{AnswerSpec, Method, RouteMatch, RouteSpec, SchemaOf, find_route};
pub use run::run;
pub use sight::Sight;
