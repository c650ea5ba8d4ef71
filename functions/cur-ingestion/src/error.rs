//! Why the bill could not be read now, and what that means to whoever asked.

use lambda::{Failure, Problem};
use store::StoreError;

use crate::athena::AthenaError;
use crate::delivery::DeliveryError;

/// Why a run could not be started or finished now. It may be later.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IngestError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error(transparent)]
    Athena(#[from] AthenaError),
}

impl From<IngestError> for Failure {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Store(error) => error.into(),
            other => Self::Retry(other.to_string()),
        }
    }
}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Store(error) => error.into(),
            IngestError::Delivery(DeliveryError::Malformed { .. } | DeliveryError::Several { .. }) => {
                Self::new(409, "delivery-malformed", error.to_string())
            }
            other => {
                tracing::error!(error = %other, "a run could not be started");
                Self::unavailable()
            }
        }
    }
}
