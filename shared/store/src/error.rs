//! What can go wrong between the product and its table. A failed condition is a fact about the state, not a fault.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_smithy_runtime_api::client::result::SdkError as AnySdkError;

/// Why a read or a commit did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What was asked for is not there.
    #[error("`{0}` is not there")]
    Missing(String),
    /// Somebody else changed this since it was read: read again and decide again.
    #[error("`{0}` changed since it was read")]
    VersionMoved(String),
    /// It was to be created but is there already.
    #[error("`{0}` exists already")]
    AlreadyExists(String),
    /// A unique name leads elsewhere now: read again and decide again.
    #[error("`{0}` leads elsewhere now")]
    PointerMoved(String),
    /// This consumer has handled this event before: its effect is there.
    #[error("event was handled before")]
    AlreadyHandled,
    /// The same idempotency key was answered meanwhile.
    #[error("the same call was answered meanwhile")]
    AlreadyAnswered,
    /// Another transaction was at the same items: read again and decide again.
    #[error("another transaction touched the same items")]
    Conflict,
    /// DynamoDB asks for less.
    #[error("the table is throttled")]
    Throttled,
    /// The call failed; whether it took effect is not known.
    #[error("the table did not answer: {0}")]
    Unavailable(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// An item is not as this version writes it.
    #[error("item `{key}` cannot be read: {why}")]
    Unreadable {
        /// Its keys.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// A limit of the store would be passed.
    #[error("{0}")]
    TooLarge(String),
}

impl StoreError {
    /// Whether reading again and deciding again may succeed.
    #[must_use]
    pub const fn is_lost_race(&self) -> bool {
        matches!(
            self,
            Self::VersionMoved(_)
                | Self::AlreadyExists(_)
                | Self::PointerMoved(_)
                | Self::Conflict
                | Self::Throttled
                | Self::Unavailable(..)
        )
    }

    /// A transaction that failed for another reason than its conditions, by the first code among its cancellation
    /// reasons.
    pub(crate) fn of_transaction(code: Option<&str>, error: SdkError<TransactWriteItemsError>) -> Self {
        match code {
            Some("TransactionConflict") => Self::Conflict,
            Some("ThrottlingError" | "ProvisionedThroughputExceeded") => Self::Throttled,
            _ => Self::of_call("TransactWriteItems", error),
        }
    }

    /// An SDK error of any read.
    pub(crate) fn of_call<E>(operation: &str, error: SdkError<E>) -> Self
    where
        E: std::error::Error + aws_smithy_types::error::metadata::ProvideErrorMetadata + Send + Sync + 'static,
    {
        let code = match &error {
            AnySdkError::ServiceError(context) => context.err().code().map(str::to_owned),
            _ => None,
        };
        match code.as_deref() {
            Some("ProvisionedThroughputExceededException" | "ThrottlingException" | "RequestLimitExceeded") => {
                Self::Throttled
            }
            Some("TransactionConflictException" | "TransactionInProgressException") => Self::Conflict,
            _ => Self::Unavailable(
                format!("{operation}: {}", code.unwrap_or_else(|| error.to_string())),
                Box::new(error),
            ),
        }
    }
}
