//! Verifies an export of the audit record without the product: one pass over JSON lines, on every core that there is.
//!
//! It trusts nothing that the table says. Each line must give its own hash; lines of one thing must follow one another
//! by number and by hash, in whatever order the file has them; and the last events of each day must give the day's
//! seal, as far as seals are known. What was dropped as a whole, and what was rewritten as a whole, only the seals
//! tell: give the ones that were kept outside the table. The format is described in `events/audit-export.md`.
//!
//! Begin with [`verify`]. `read` cuts the files into stretches for the threads; in `line` a record is looked at in
//! place, the ends of what is nested found by `scan`, and two lines are hashed by a `pair`; what a thread has seen is a
//! `part`, and `ledger` puts the parts together, `days` the seals' side.

mod days;
mod ledger;
mod line;
mod pair;
mod part;
mod read;
mod scan;
mod seals;

pub use days::{DayFinding, Range};
pub use ledger::{ChainFinding, Report};
pub use read::verify;
pub use seals::{DaySeal, Seals};
