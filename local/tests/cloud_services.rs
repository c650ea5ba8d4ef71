//! The emulated services, asked by the real SDK clients.

use anyhow::{Context, Result, ensure};
use aws_sdk_bedrock::types::{InferenceProfileModelSource, InferenceProfileType, InferenceType};
use aws_sdk_dynamodb::config::BehaviorVersion;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put, ScalarAttributeType,
    TransactWriteItem,
};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sns::types::MessageAttributeValue;
use aws_types::SdkConfig;
use aws_types::region::Region;
use bytes::Bytes;
use local::cloud::{CUR_BUCKET, Cloud, CloudConfig, HUB_ACCOUNT, Mailboxes};

const MEMBER: &str = "444455556666";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow","Action":["bedrock:InvokeModel"],"Resource":"arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"}]}"#;

fn start() -> Result<Cloud> {
    Ok(Cloud::start(CloudConfig::default())?)
}

fn config(cloud: &Cloud, account: &str, region: &'static str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(cloud.http_client())
        .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(cloud.credentials(account)))
        .region(Region::new(region))
        .build()
}

fn code<T, E: ProvideErrorMetadata>(result: Result<T, E>) -> String {
    result.err().and_then(|error| error.code().map(str::to_owned)).unwrap_or_else(|| "no error".to_owned())
}

fn key(name: &str) -> Result<KeySchemaElement> {
    Ok(KeySchemaElement::builder().attribute_name(name).key_type(KeyType::Hash).build()?)
}

#[tokio::test]
async fn a_failed_condition_comes_back_as_dynamodb_says_it() -> Result<()> {
    let cloud = start()?;
    let tables = aws_sdk_dynamodb::Client::new(&config(&cloud, HUB_ACCOUNT, "us-east-1"));
    let pk = AttributeDefinition::builder().attribute_name("PK").attribute_type(ScalarAttributeType::S).build()?;
    let create = tables.create_table().table_name("things").key_schema(key("PK")?).attribute_definitions(pk);
    let created = create.billing_mode(BillingMode::PayPerRequest).send().await?;
    let arn = created.table_description().and_then(|table| table.table_arn()).context("no ARN")?;
    assert_eq!(arn, format!("arn:aws:dynamodb:us-east-1:{HUB_ACCOUNT}:table/things"));

    let put = || {
        Put::builder()
            .table_name("things")
            .item("PK", AttributeValue::S("a".into()))
            .condition_expression("attribute_not_exists(PK)")
    };
    let write = || anyhow::Ok(TransactWriteItem::builder().put(put().build()?).build());
    tables.transact_write_items().transact_items(write()?).send().await?;
    let refused = tables.transact_write_items().transact_items(write()?).send().await;
    let refused = refused.err().context("the second put passed")?.into_service_error();
    let reasons = match &refused {
        aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
            cancelled,
        ) => cancelled.cancellation_reasons(),
        other => anyhow::bail!("{other:?}"),
    };
    assert_eq!(reasons.first().and_then(|reason| reason.code()), Some("ConditionalCheckFailed"));
    assert_eq!(
        code(tables.get_item().table_name("none").key("PK", AttributeValue::S("a".into())).send().await),
        "ResourceNotFoundException"
    );
    Ok(())
}

#[tokio::test]
async fn objects_are_put_listed_presigned_and_deleted() -> Result<()> {
    let cloud = start()?;
    let objects = aws_sdk_s3::Client::new(&config(&cloud, HUB_ACCOUNT, "us-east-1"));
    objects
        .put_object()
        .bucket("exports")
        .key("2026/07/a b.csv")
        .body(ByteStream::from_static(b"a,b\n"))
        .send()
        .await?;
    let listed = objects.list_objects_v2().bucket("exports").prefix("2026/").send().await?;
    assert_eq!(listed.contents().iter().filter_map(|object| object.key()).collect::<Vec<_>>(), ["2026/07/a b.csv"]);
    assert_eq!(objects.head_object().bucket("exports").key("2026/07/a b.csv").send().await?.content_length(), Some(4));
    assert_eq!(code(objects.get_object().bucket("exports").key("none").send().await), "NoSuchKey");
    assert_eq!(code(objects.get_object().bucket("exports").key("../x").send().await), "InvalidURI");

    let minutes = PresigningConfig::expires_in(std::time::Duration::from_secs(900))?;
    let url = objects.get_object().bucket("exports").key("2026/07/a b.csv").presigned(minutes).await?;
    let get = |url: &str| anyhow::Ok(http::Request::get(url).body(Bytes::new())?);
    let opened = cloud.call(get(url.uri())?).await;
    assert_eq!((opened.status().as_u16(), opened.body().as_ref()), (200, b"a,b\n".as_slice()));
    let tampered = cloud.call(get(&url.uri().replace("a%20b.csv", "secret.csv"))?).await;
    assert_eq!(tampered.status().as_u16(), 403);

    objects.delete_object().bucket("exports").key("2026/07/a b.csv").send().await?;
    assert!(objects.list_objects_v2().bucket("exports").send().await?.contents().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_mounted_export_is_read_and_never_written() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir_all(folder.path().join("data/BILLING_PERIOD=2026-07"))?;
    std::fs::write(folder.path().join("data/BILLING_PERIOD=2026-07/a.csv.gz"), b"x")?;
    let cloud = Cloud::start(CloudConfig { cur: Some(folder.path().to_owned()), ..CloudConfig::default() })?;
    let objects = aws_sdk_s3::Client::new(&config(&cloud, HUB_ACCOUNT, "us-east-1"));
    let listed = objects.list_objects_v2().bucket(CUR_BUCKET).send().await?;
    assert_eq!(listed.contents().first().and_then(|object| object.key()), Some("data/BILLING_PERIOD=2026-07/a.csv.gz"));
    let got = objects.get_object().bucket(CUR_BUCKET).key("data/BILLING_PERIOD=2026-07/a.csv.gz").send().await?;
    assert_eq!(got.body.collect().await?.into_bytes().as_ref(), b"x");
    let put = objects.put_object().bucket(CUR_BUCKET).key("data/b").body(ByteStream::from_static(b"y")).send().await;
    assert_eq!(code(put), "AccessDenied");
    drop(cloud);
    ensure!(folder.path().join("data/BILLING_PERIOD=2026-07/a.csv.gz").exists(), "the mount's end deleted the export");
    Ok(())
}

#[tokio::test]
async fn roles_live_in_the_account_of_the_credentials() -> Result<()> {
    let cloud = start()?;
    let iam = aws_sdk_iam::Client::new(&config(&cloud, MEMBER, "us-east-1"));
    let hub = aws_sdk_iam::Client::new(&config(&cloud, HUB_ACCOUNT, "us-east-1"));
    let role = iam.create_role().role_name("checkout").assume_role_policy_document(TRUST).send().await?;
    let arn = role.role().map(|role| role.arn().to_owned()).context("no role")?;
    assert_eq!(arn, format!("arn:aws:iam::{MEMBER}:role/checkout"));
    assert_eq!(code(hub.get_role().role_name("checkout").send().await), "NoSuchEntity");
    assert_eq!(
        code(iam.create_role().role_name("CHECKOUT").assume_role_policy_document(TRUST).send().await),
        "EntityAlreadyExists"
    );

    let put = |name: &str, document: &str| {
        iam.put_role_policy().role_name("checkout").policy_name(name).policy_document(document).send()
    };
    put("finops", POLICY).await?;
    let got = iam.get_role_policy().role_name("checkout").policy_name("finops").send().await?;
    let document = percent_encoding::percent_decode_str(got.policy_document()).decode_utf8()?;
    assert_eq!(document, POLICY);
    for broken in [
        "{",
        "{}",
        &POLICY.replace("bedrock:", ""),
        &POLICY.replace('A', "\u{2014}"),
        &POLICY.replace("arn:aws", "urn:aws"),
    ] {
        assert_eq!(code(put("x", broken).await), "MalformedPolicyDocument", "{broken}");
    }
    assert_eq!(code(put("a/b", POLICY).await), "ValidationError");
    let long = POLICY.replace("amazon.nova-lite-v1:0", &"x".repeat(10_200));
    assert_eq!(code(put("long", &long).await), "LimitExceeded");
    assert_eq!(iam.list_role_policies().role_name("checkout").send().await?.policy_names(), ["finops"]);

    let tag = aws_sdk_iam::types::Tag::builder().key("map-migrated").value("mig12345").build()?;
    iam.tag_role().role_name("checkout").tags(tag.clone()).send().await?;
    assert_eq!(iam.list_role_tags().role_name("checkout").send().await?.tags(), [tag]);
    assert_eq!(code(iam.delete_role().role_name("checkout").send().await), "DeleteConflict");
    iam.delete_role_policy().role_name("checkout").policy_name("finops").send().await?;
    iam.delete_role().role_name("checkout").send().await?;
    assert_eq!(code(iam.get_role().role_name("checkout").send().await), "NoSuchEntity");
    Ok(())
}

#[tokio::test]
async fn managed_policies_attach_and_lists_come_in_pages() -> Result<()> {
    let cloud = start()?;
    let iam = aws_sdk_iam::Client::new(&config(&cloud, MEMBER, "us-east-1"));
    for name in ["a", "b", "c"] {
        iam.create_role().role_name(name).assume_role_policy_document(TRUST).send().await?;
    }
    let first = iam.list_roles().max_items(2).send().await?;
    assert_eq!((first.roles().len(), first.is_truncated()), (2, true));
    let rest = iam.list_roles().set_marker(first.marker().map(str::to_owned)).send().await?;
    assert_eq!(rest.roles().iter().map(|role| role.role_name()).collect::<Vec<_>>(), ["c"]);

    let policy = iam.create_policy().policy_name("boundary").policy_document(POLICY).send().await?;
    let arn = policy.policy().and_then(|policy| policy.arn()).context("no ARN")?;
    iam.attach_role_policy().role_name("a").policy_arn(arn).send().await?;
    iam.put_role_permissions_boundary().role_name("a").permissions_boundary(arn).send().await?;
    let attached = iam.list_attached_role_policies().role_name("a").send().await?;
    assert_eq!(attached.attached_policies().first().and_then(|policy| policy.policy_arn()), Some(arn));
    let role = iam.get_role().role_name("a").send().await?;
    let boundary = role
        .role()
        .and_then(|role| role.permissions_boundary())
        .and_then(|boundary| boundary.permissions_boundary_arn());
    assert_eq!(boundary, Some(arn));
    let version = iam.get_policy_version().policy_arn(arn).version_id("v1").send().await?;
    ensure!(version.policy_version().and_then(|version| version.document()).is_some(), "no document");
    Ok(())
}

#[tokio::test]
async fn an_assumed_role_acts_in_its_account() -> Result<()> {
    let cloud = start()?;
    let hub = config(&cloud, HUB_ACCOUNT, "us-east-1");
    let role = format!("arn:aws:iam::{MEMBER}:role/finops-center-reader");
    let sts = aws_sdk_sts::Client::new(&hub);
    let assumed = sts.assume_role().role_arn(&role).role_session_name("drift").send().await?;
    let keys = assumed.credentials().context("no credentials")?;
    let token = Some(keys.session_token().to_owned());
    let session =
        aws_credential_types::Credentials::new(keys.access_key_id(), keys.secret_access_key(), token, None, "test");
    let config = hub
        .into_builder()
        .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(session))
        .build();
    let identity = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await?;
    assert_eq!(identity.account(), Some(MEMBER));
    assert_eq!(identity.arn(), Some(format!("arn:aws:sts::{MEMBER}:assumed-role/finops-center-reader/drift").as_str()));
    let nowhere = sts.assume_role().role_arn("arn:aws:iam::1:role/x").role_session_name("drift").send().await;
    assert_eq!(code(nowhere), "ValidationError");
    Ok(())
}

#[tokio::test]
async fn bedrock_answers_from_each_regions_catalog() -> Result<()> {
    let cloud = start()?;
    let bedrock = aws_sdk_bedrock::Client::new(&config(&cloud, MEMBER, "us-east-1"));
    let models = bedrock.list_foundation_models().by_inference_type(InferenceType::OnDemand).send().await?;
    ensure!(models.model_summaries().len() > 10, "a thin catalog");
    let model = models.model_summaries().first().context("no model")?;
    let details = bedrock.get_foundation_model().model_identifier(model.model_id()).send().await?;
    assert_eq!(details.model_details().map(|details| details.model_arn()), Some(model.model_arn()));
    assert_eq!(code(bedrock.get_foundation_model().model_identifier("none").send().await), "ResourceNotFoundException");

    let page = bedrock.list_inference_profiles().max_results(3).send().await?;
    assert_eq!(page.inference_profile_summaries().len(), 3);
    let next = bedrock.list_inference_profiles().set_next_token(page.next_token().map(str::to_owned)).send().await?;
    let system = next.inference_profile_summaries().first().context("no second page")?.inference_profile_arn();
    ensure!(system.contains(MEMBER), "the profile `{system}` is not in the caller's account");

    let source = || InferenceProfileModelSource::CopyFrom(system.to_owned());
    let create = || bedrock.create_inference_profile().inference_profile_name("checkout").model_source(source()).send();
    let created = create().await?;
    assert_eq!(code(create().await), "ConflictException");
    let own = bedrock.list_inference_profiles().type_equals(InferenceProfileType::Application).send().await?;
    assert_eq!(
        own.inference_profile_summaries().first().map(|own| own.inference_profile_arn()),
        Some(created.inference_profile_arn())
    );
    bedrock.delete_inference_profile().inference_profile_identifier(created.inference_profile_arn()).send().await?;

    let elsewhere = aws_sdk_bedrock::Client::new(&config(&cloud, MEMBER, "eu-south-2"));
    assert_eq!(code(elsewhere.list_foundation_models().send().await), "UnrecognizedClientException");
    Ok(())
}

#[tokio::test]
async fn mail_arrives_after_the_subscription_is_confirmed() -> Result<()> {
    let cloud = Cloud::start(CloudConfig { mailboxes: Mailboxes::Wait, ..CloudConfig::default() })?;
    let sns = aws_sdk_sns::Client::new(&config(&cloud, HUB_ACCOUNT, "us-east-1"));
    let topic = sns.create_topic().name("person-1").send().await?.topic_arn().context("no ARN")?.to_owned();
    let subscribed = sns.subscribe().topic_arn(&topic).protocol("email").endpoint("a@example.com").send().await?;
    assert_eq!(subscribed.subscription_arn(), Some("pending confirmation"));
    sns.publish().topic_arn(&topic).message("lost").send().await?;
    let listed = sns.list_subscriptions_by_topic().topic_arn(&topic).send().await?;
    assert_eq!(listed.subscriptions().first().and_then(|each| each.subscription_arn()), Some("PendingConfirmation"));

    let asked = cloud.messages(Some("a@example.com"))?;
    assert_eq!(asked.len(), 1);
    let token =
        asked.first().and_then(|mail| mail.text.split("--token ").nth(1)).context("no token")?.trim().to_owned();
    sns.confirm_subscription().topic_arn(&topic).token(token).send().await?;
    let text = r#"{"default":"short","email":"long"}"#;
    sns.publish().topic_arn(&topic).message(text).message_structure("json").subject("ready").send().await?;
    let mail = cloud.messages(Some("A@example.com"))?.pop().context("no mail")?;
    assert_eq!((mail.subject.as_str(), mail.text.as_str()), ("ready", "long"));
    Ok(())
}

#[tokio::test]
async fn a_publication_that_sns_refuses_is_refused() -> Result<()> {
    let cloud = start()?;
    let sns = aws_sdk_sns::Client::new(&config(&cloud, HUB_ACCOUNT, "us-east-1"));
    let topic = sns.create_topic().name("t").send().await?.topic_arn().context("no ARN")?.to_owned();
    let again = sns.create_topic().name("t").send().await?;
    assert_eq!(again.topic_arn(), Some(topic.as_str()));
    let publish = || sns.publish().topic_arn(&topic);
    let longest = "x".repeat(101);
    for subject in ["two\nlines", "gr\u{fc}n", longest.as_str(), ""] {
        assert_eq!(code(publish().message("m").subject(subject).send().await), "InvalidParameter", "{subject}");
    }
    assert_eq!(code(publish().message("").send().await), "InvalidParameter");
    assert_eq!(code(publish().message("{}").message_structure("json").send().await), "InvalidParameter");
    assert_eq!(code(sns.publish().topic_arn(format!("{topic}x")).message("m").send().await), "NotFound");
    let attribute = MessageAttributeValue::builder().data_type("String").string_value("v").build()?;
    publish().message("m").message_attributes("type", attribute).send().await?;
    Ok(())
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() -> Result<()> {
    let data = tempfile::tempdir()?;
    let open = || Cloud::start(CloudConfig { data: Some(data.path().to_owned()), ..CloudConfig::default() });
    let cloud = open()?;
    let iam = aws_sdk_iam::Client::new(&config(&cloud, MEMBER, "us-east-1"));
    iam.create_role().role_name("kept").assume_role_policy_document(TRUST).send().await?;
    drop(iam);
    drop(cloud);
    let cloud = open()?;
    let iam = aws_sdk_iam::Client::new(&config(&cloud, MEMBER, "us-east-1"));
    iam.get_role().role_name("kept").send().await?;
    Ok(())
}

#[tokio::test]
async fn what_is_not_signed_or_not_emulated_is_refused() -> Result<()> {
    let cloud = start()?;
    let bare = cloud.call(http::Request::post("https://iam.amazonaws.com/").body(Bytes::new())?).await;
    assert_eq!(bare.status().as_u16(), 403);
    let scope =
        "AWS4-HMAC-SHA256 Credential=AKIAX/20260824/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0";
    let other = http::Request::post("https://ec2.amazonaws.com/").header("authorization", scope).body(Bytes::new())?;
    let other = cloud.call(other).await;
    assert_eq!(other.status().as_u16(), 400);
    assert!(String::from_utf8_lossy(other.body()).contains("does not emulate `ec2`"));
    Ok(())
}

#[tokio::test]
async fn the_aws_cli_reaches_the_same_cloud_over_loopback() -> Result<()> {
    let cloud = start()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move { cloud.serve(listener).await });
    let body = "Action=GetCallerIdentity&Version=2011-06-15";
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential=AKIA{MEMBER}LEAD/20260824/us-east-1/sts/aws4_request, SignedHeaders=host, \
         Signature=0"
    );
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nauthorization: {scope}\r\ncontent-length: {}\r\nconnection: \
         close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await?;
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 200") && answer.contains(&format!("<Account>{MEMBER}</Account>")), "{answer}");
    server.abort();
    Ok(())
}
