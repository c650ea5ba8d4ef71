//! The tables as definitions: what `infra/data.yaml` deploys and what the local stack creates. A test compares the two.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, StreamSpecification, StreamViewType, TimeToLiveSpecification,
};

use crate::error::StoreError;
use crate::keys;

/// A table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its indexes: name, partition key, sort key; each projects everything.
    pub indexes: &'static [(&'static str, &'static str, &'static str)],
    /// Whether its changes are streamed, with the new image.
    pub streamed: bool,
}

/// The workflow.
pub const GOVERNANCE: Table =
    Table { indexes: &[(keys::LIST, keys::LPK, keys::LSK), (keys::PARENT, keys::PPK, keys::PSK)], streamed: true };

/// The facts of the bill.
pub const SPEND: Table = Table { indexes: &[], streamed: false };

/// Creates a table on the local engine, if it is not there. On AWS the templates do.
///
/// # Errors
/// [`StoreError::Unavailable`].
pub async fn create_if_missing(client: &Client, name: &str, table: Table) -> Result<(), StoreError> {
    let attribute =
        |name: &str| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build();
    let key = |name: &str, kind: KeyType| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let build = |error| StoreError::Unavailable("CreateTable".to_owned(), Box::new(error));
    let mut create = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(keys::PK).map_err(build)?)
        .attribute_definitions(attribute(keys::SK).map_err(build)?)
        .key_schema(key(keys::PK, KeyType::Hash).map_err(build)?)
        .key_schema(key(keys::SK, KeyType::Range).map_err(build)?);
    for (index, hash, range) in table.indexes {
        let definition = GlobalSecondaryIndex::builder()
            .index_name(*index)
            .key_schema(key(hash, KeyType::Hash).map_err(build)?)
            .key_schema(key(range, KeyType::Range).map_err(build)?)
            .projection(Projection::builder().projection_type(ProjectionType::All).build());
        create = create
            .attribute_definitions(attribute(hash).map_err(build)?)
            .attribute_definitions(attribute(range).map_err(build)?)
            .global_secondary_indexes(definition.build().map_err(build)?);
    }
    if table.streamed {
        let stream =
            StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::NewImage).build();
        create = create.stream_specification(stream.map_err(build)?);
    }
    match create.send().await {
        Ok(_) => {
            let ttl =
                TimeToLiveSpecification::builder().enabled(true).attribute_name(keys::TTL).build().map_err(build)?;
            let enabled = client.update_time_to_live().table_name(name).time_to_live_specification(ttl).send().await;
            enabled.map(|_| ()).map_err(|e| StoreError::of_call("UpdateTimeToLive", e))
        }
        Err(SdkError::ServiceError(context))
            if matches!(context.err(), CreateTableError::ResourceInUseException(_)) =>
        {
            Ok(())
        }
        Err(error) => Err(StoreError::of_call("CreateTable", error)),
    }
}
