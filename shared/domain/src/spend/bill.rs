//! The bill: from grouped CUR 2.0 rows to spend facts, and from facts to whoever answers for them.
//!
//! Two steps, on purpose. [`facts::read_group`] turns a row into a [`facts::Fact`] and looks at nothing but the row,
//! the settings and the alias table, so the same delivery always makes the same facts.
//! [`attribution::attribute_fact`] then says who answers for a fact, and is run again whenever a claim, a scope or a
//! workspace changes; a month's facts with what it said are an [`attributed::AttributedMonth`]. Nothing is dropped in
//! either step: every dollar that matches the AI terms ends as attributed, as a gap or as a named exclusion.
//!
//! Rows repeat, arrive late and are restated downwards; line item ids are not stable between deliveries. So a month is
//! always folded whole and replaced whole ([`facts::fold`]); nothing here updates a total in place.

pub mod alias;
pub mod anchor;
pub mod attributed;
pub mod attribution;
pub mod doctor;
pub mod facts;
pub mod line;
pub mod matching;
pub mod number;
pub mod reconciliation;
pub mod rule;
pub mod run;
pub mod settings;
pub mod slice;
pub mod step;
pub mod summary;
pub mod terms;
pub mod usage;

pub use line::{LineGroup, LineItemType, UnreadableRow};
