//! Committing a transaction, and deciding again when somebody else was faster.

use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use aws_smithy_types::error::operation::BuildError;
use rand::RngExt as _;

use crate::Store;
use crate::error::StoreError;
use crate::item::{self, Item, number};
use crate::keys;
use crate::transaction::{Condition, Expression, Guard, Transaction, Write};

/// Actions that one transaction may hold (DynamoDB quota).
pub const TRANSACTION_ACTIONS_MAX: usize = 100;

/// Bytes that one transaction may move (DynamoDB quota).
const TRANSACTION_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How often a decision is taken again before the caller is told to come back: each attempt read fresh state.
const ATTEMPTS_MAX: u32 = 8;

/// What one attempt at a command came to.
#[derive(Debug)]
pub enum Step<T> {
    /// Write this, then answer that.
    Commit(Transaction, T),
    /// There is nothing to write.
    Done(T),
}

impl Store {
    /// Writes a transaction, all or nothing. One of a single item is sent as that: DynamoDB takes twice the units for
    /// the same item in a transaction.
    ///
    /// # Errors
    /// The meaning of the first failed condition, or that the table did not answer.
    pub async fn commit(&self, transaction: Transaction) -> Result<(), StoreError> {
        let (writes, guards): (Vec<Write>, Vec<Guard>) = transaction.into_writes()?.into_iter().unzip();
        check_bytes(&writes)?;
        if let ([Write::Put { item, condition }], [guard]) = (writes.as_slice(), guards.as_slice()) {
            return self.put(item.clone(), condition.as_ref(), guard).await;
        }
        if writes.len() > TRANSACTION_ACTIONS_MAX {
            let count = writes.len();
            return Err(StoreError::TooLarge(format!(
                "this would take {count} writes at once, more than {TRANSACTION_ACTIONS_MAX}; use fewer scopes"
            )));
        }
        let mut items = Vec::with_capacity(writes.len());
        for write in writes {
            let item = self
                .action(write)
                .map_err(|e| StoreError::Unavailable("TransactWriteItems".to_owned(), Box::new(e)))?;
            items.push(item);
        }
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        sent.map(|_| ()).map_err(|error| meaning(error, &guards))
    }

    /// Writes a transaction that makes something of which there is one; false if it was there already.
    ///
    /// # Errors
    /// As above.
    pub async fn commit_once(&self, transaction: Transaction) -> Result<bool, StoreError> {
        match self.commit(transaction).await {
            Ok(()) => Ok(true),
            Err(StoreError::AlreadyExists(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn put(&self, item: Item, condition: Option<&Condition>, guard: &Guard) -> Result<(), StoreError> {
        let mut put = self.client.put_item().table_name(&self.governance_table).set_item(Some(item));
        if let Some(Expression { text, name, value }) = condition.map(Condition::expression) {
            put = put.condition_expression(text).expression_attribute_names(name.0, name.1);
            if let Some((placeholder, value)) = value {
                put = put.expression_attribute_values(placeholder, value);
            }
        }
        let sent = put.send().await;
        sent.map(|_| ()).map_err(|error| match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => {
                guard.broken().unwrap_or_else(|| StoreError::of_call("PutItem", error))
            }
            _ => StoreError::of_call("PutItem", error),
        })
    }

    /// Takes a decision, writes it, and takes it again on fresh state while somebody else was faster.
    ///
    /// # Errors
    /// What `attempt` refuses; [`StoreError::AlreadyHandled`] and [`StoreError::AlreadyAnswered`] at once; the last
    /// lost race.
    pub async fn transact<T, E, F, Fut>(&self, mut attempt: F) -> Result<T, E>
    where
        F: FnMut() -> Fut + Send,
        Fut: Future<Output = Result<Step<T>, E>> + Send,
        E: From<StoreError>,
        T: Send,
    {
        let mut attempts = 0;
        loop {
            let (transaction, answer) = match attempt().await? {
                Step::Done(answer) => return Ok(answer),
                Step::Commit(transaction, answer) => (transaction, answer),
            };
            match self.commit(transaction).await {
                Ok(()) => return Ok(answer),
                Err(error) if error.is_lost_race() && attempts < ATTEMPTS_MAX => {
                    attempts += 1;
                    tracing::debug!(attempts, error = %error, "lost a race, deciding again");
                    let jitter = rand::rng().random_range(1..=8u64 << attempts.min(5));
                    tokio::time::sleep(Duration::from_millis(jitter)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn action(&self, write: Write) -> Result<TransactWriteItem, BuildError> {
        let table = &self.governance_table;
        let action = TransactWriteItem::builder();
        Ok(match write {
            Write::Put { item, condition: None } => {
                action.put(Put::builder().table_name(table).set_item(Some(item)).build()?)
            }
            Write::Put { item, condition: Some(condition) } => {
                let Expression { text, name, value } = condition.expression();
                let mut put = Put::builder().table_name(table).set_item(Some(item)).condition_expression(text);
                put = put.expression_attribute_names(name.0, name.1);
                if let Some((placeholder, value)) = value {
                    put = put.expression_attribute_values(placeholder, value);
                }
                action.put(
                    put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::None).build()?,
                )
            }
            Write::Delete { key } => action.delete(Delete::builder().table_name(table).set_key(Some(key)).build()?),
            Write::Check { key, condition } => action.condition_check(check(table, key, &condition)?),
            Write::Add { key, listing, amounts, ended } => {
                let mut update = Update::builder().table_name(table).set_key(Some(key));
                let mut adds = Vec::new();
                for (index, (name, amount)) in amounts.iter().enumerate() {
                    adds.push(format!("#a{index} :a{index}"));
                    update = update
                        .expression_attribute_names(format!("#a{index}"), name)
                        .expression_attribute_values(format!(":a{index}"), number(amount));
                }
                let mut sets = Vec::new();
                for (name, value) in listing {
                    sets.push(format!("#{name} = :{name}"));
                    update = update
                        .expression_attribute_names(format!("#{name}"), &name)
                        .expression_attribute_values(format!(":{name}"), value);
                }
                let set = if sets.is_empty() { String::new() } else { format!("SET {} ", sets.join(", ")) };
                let mut expression = format!("{set}ADD {}", adds.join(", "));
                for (index, name) in ended.iter().enumerate() {
                    expression.push_str(if index == 0 { " REMOVE " } else { ", " });
                    expression.push_str(&format!("#e{index}"));
                    update = update.expression_attribute_names(format!("#e{index}"), name);
                }
                action.update(update.update_expression(expression).build()?)
            }
        }
        .build())
    }
}

/// Refuses what DynamoDB would never take, before it is sent: its own refusal reads like an outage.
fn check_bytes(writes: &[Write]) -> Result<(), StoreError> {
    let mut all = 0;
    for write in writes {
        let Write::Put { item, .. } = write else { continue };
        let bytes = item::bytes_of(item);
        if bytes > item::ITEM_BYTES_MAX {
            let name = item::text_of(item, keys::PK).unwrap_or_default();
            return Err(StoreError::TooLarge(format!(
                "`{name}` would take {bytes} bytes, and one thing holds at most {}; shorten the texts and send \
                 again, or go on with a new one of its kind",
                item::ITEM_BYTES_MAX
            )));
        }
        all += bytes;
    }
    if all > TRANSACTION_BYTES_MAX {
        return Err(StoreError::TooLarge(format!(
            "this would write {all} bytes at once, more than {TRANSACTION_BYTES_MAX}; shorten the texts and send again"
        )));
    }
    Ok(())
}

fn check(table: &str, key: Item, condition: &Condition) -> Result<ConditionCheck, BuildError> {
    let Expression { text, name, value } = condition.expression();
    let mut check = ConditionCheck::builder().table_name(table).set_key(Some(key)).condition_expression(text);
    check = check.expression_attribute_names(name.0, name.1);
    if let Some((placeholder, value)) = value {
        check = check.expression_attribute_values(placeholder, value);
    }
    check.build()
}

/// The first failed condition, picked from the cancellation reasons by index; what was meant to happen once comes
/// first, since its own success also moved every version.
fn meaning(error: SdkError<TransactWriteItemsError>, guards: &[Guard]) -> StoreError {
    let reasons = match &error {
        SdkError::ServiceError(context) => match context.err() {
            TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                cancelled.cancellation_reasons().to_vec()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    // An item is wider than DynamoDB takes, or a key: the same call would be refused for ever.
    if let Some(refused) = reasons.iter().find(|reason| reason.code() == Some("ValidationError")) {
        let why = refused.message().unwrap_or("an item is too large");
        return StoreError::TooLarge(format!("the table does not take this: {why}; shorten the texts and send again"));
    }
    let failed: Vec<(&Guard, &str)> =
        guards.iter().zip(&reasons).filter_map(|(g, r)| r.code().filter(|c| *c != "None").map(|c| (g, c))).collect();
    let conditions = || failed.iter().filter(|(_, code)| *code == "ConditionalCheckFailed").map(|(guard, _)| *guard);
    if conditions().any(|g| *g == Guard::Handled) {
        return StoreError::AlreadyHandled;
    }
    if conditions().any(|g| *g == Guard::Answered) {
        return StoreError::AlreadyAnswered;
    }
    let moved = conditions().find_map(Guard::broken);
    moved.unwrap_or_else(|| StoreError::of_transaction(failed.first().map(|(_, code)| *code), error))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::CancellationReason;
    use aws_sdk_dynamodb::types::error::TransactionCanceledException;
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    type Failed = Box<dyn std::error::Error>;

    fn cancelled(codes: &[&str]) -> Result<SdkError<TransactWriteItemsError>, Failed> {
        let reasons = codes.iter().map(|code| CancellationReason::builder().code(*code).message("too wide").build());
        let cancelled = TransactionCanceledException::builder().set_cancellation_reasons(Some(reasons.collect()));
        let response = HttpResponse::new(400.try_into()?, SdkBody::empty());
        Ok(SdkError::service_error(TransactWriteItemsError::TransactionCanceledException(cancelled.build()), response))
    }

    #[test]
    fn what_passes_a_limit_of_the_table_is_named_before_it_is_sent() {
        let put = |id: &str, bytes: usize| {
            let mut item = item::primary_key(id, keys::META);
            item.insert(item::DOC.to_owned(), item::text("x".repeat(bytes)));
            Write::Put { item, condition: None }
        };
        let why = |writes: &[Write]| match check_bytes(writes) {
            Err(StoreError::TooLarge(why)) => Some(why),
            _ => None,
        };
        let spare = item::ITEM_BYTES_MAX - "PKANCHOR#1SKMETAdoc".len();
        assert_eq!(why(&[put("ANCHOR#1", spare)]), None);
        assert!(
            why(&[put("ANCHOR#1", spare + 1)]).is_some_and(|why| why.contains("`ANCHOR#1` would take 409601 bytes"))
        );
        let many: Vec<Write> = (0..11).map(|n| put(&format!("ANCHOR#{n}"), spare - 1)).collect();
        assert!(why(&many).is_some_and(|why| why.contains("at once")));
    }

    #[test]
    fn an_item_that_the_table_never_takes_is_too_large_and_no_race_that_was_lost() -> Result<(), Failed> {
        let guards = [Guard::Nothing, Guard::Version("REQUEST#req_1".to_owned())];
        let refused = meaning(cancelled(&["ValidationError", "None"])?, &guards);
        assert!(!refused.is_lost_race());
        assert!(matches!(refused, StoreError::TooLarge(why) if why.contains("too wide") && why.contains("shorten")));
        let moved = meaning(cancelled(&["None", "ConditionalCheckFailed"])?, &guards);
        assert!(matches!(moved, StoreError::VersionMoved(name) if name == "REQUEST#req_1"));
        let conflict = meaning(cancelled(&["TransactionConflict", "None"])?, &guards);
        assert!(matches!(conflict, StoreError::Conflict));
        Ok(())
    }
}
