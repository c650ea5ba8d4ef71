//! Exports: each is read by its id and listed nowhere.

use domain::base::ids::ExportId;
use domain::spend::export::Export;

use crate::aggregate::{Aggregate, Listing};

impl Aggregate for Export {
    type Id = ExportId;

    const KIND: &'static str = "EXPORT";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn listing(&self) -> Listing {
        Listing::default()
    }
}
