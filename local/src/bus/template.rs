//! A CloudFormation template as JSON, its intrinsic functions resolved as far as the wiring needs them.
//!
//! Topics and queues resolve to the ARNs and URLs that the emulated services use; parameters to their value for this
//! deployment, or to their default. Anything else resolves to its logical id, which nothing here reads.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;

use crate::cloud::{CUR_BUCKET, Cloud};

/// What a deployment decides about a template.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// `AWS::StackName`.
    pub stack: String,
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::AccountId`.
    pub account: String,
    /// Values of parameters; the others keep their defaults.
    pub parameters: BTreeMap<String, String>,
}

impl Deployment {
    /// The deployment on a laptop: the parameters that have no default, named for this cloud.
    #[must_use]
    pub fn local(cloud: &Cloud) -> Self {
        let parameters = [
            ("ExportsBucket", "finops-exports"),
            ("ResultsBucket", "finops-results"),
            ("CurBucket", CUR_BUCKET),
            ("SealsBucket", "finops-seals"),
            ("ReaderExternalId", "finops-center-local"),
        ];
        Self {
            stack: "finops-center".to_owned(),
            region: cloud.region().to_owned(),
            account: cloud.account().to_owned(),
            parameters: parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }
    }
}

/// Why a template does not read.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Not YAML.
    #[error("the template is not YAML")]
    Yaml(#[from] serde_yaml_ng::Error),
    /// A mapping's key is not text, or a number is not finite.
    #[error("the template holds what JSON cannot: `{0}`")]
    Shape(String),
    /// A parameter without default was not given.
    #[error("the template's parameter `{0}` has no default: set it in the deployment")]
    Parameter(String),
    /// A condition is not there, or of a kind that is not known here.
    #[error("the template's condition `{0}` cannot be decided here: write it with !Equals and !Not")]
    Condition(String),
    /// A required property is missing or of another shape.
    #[error("`{resource}` in the template lacks `{property}`")]
    Property {
        /// The logical id.
        resource: String,
        /// The property's path.
        property: String,
    },
}

/// A parsed template within a deployment.
pub(super) struct Template<'a> {
    document: Value,
    deployment: &'a Deployment,
}

impl<'a> Template<'a> {
    pub(super) fn parse(text: &str, deployment: &'a Deployment) -> Result<Self, TemplateError> {
        Ok(Self { document: to_json(serde_yaml_ng::from_str(text)?)?, deployment })
    }

    /// The resources of a type: logical id and properties, unresolved.
    pub(super) fn resources(&self, kind: &str) -> impl Iterator<Item = (&str, &Value)> {
        let resources = self.document.get("Resources").and_then(Value::as_object).into_iter().flatten();
        let of_kind = resources.filter(move |(_, resource)| resource.get("Type").is_some_and(|found| found == kind));
        of_kind.map(|(id, resource)| (id.as_str(), resource.get("Properties").unwrap_or(&Value::Null)))
    }

    /// `Globals.Function`, unresolved.
    pub(super) fn function_globals(&self) -> Option<&Value> {
        self.document.pointer("/Globals/Function")
    }

    /// The name of a topic or queue: given in the template, or else the logical id.
    pub(super) fn name(&self, id: &str, property: &str) -> Result<String, TemplateError> {
        let given = self.document.pointer(&format!("/Resources/{id}/Properties/{property}"));
        match given.map(|given| self.resolve(given)).transpose()? {
            Some(Value::String(name)) => Ok(name),
            _ => Ok(id.to_owned()),
        }
    }

    /// The ARN that the emulated cloud knows a topic or queue by.
    pub(super) fn arn(&self, id: &str) -> Result<String, TemplateError> {
        let Deployment { region, account, .. } = self.deployment;
        Ok(match self.kind(id) {
            "AWS::SNS::Topic" => format!("arn:aws:sns:{region}:{account}:{}", self.name(id, "TopicName")?),
            "AWS::SQS::Queue" => format!("arn:aws:sqs:{region}:{account}:{}", self.name(id, "QueueName")?),
            _ => id.to_owned(),
        })
    }

    /// The value with every intrinsic function resolved.
    pub(super) fn resolve(&self, value: &Value) -> Result<Value, TemplateError> {
        match value {
            Value::Array(items) => {
                items.iter().map(|item| self.resolve(item)).collect::<Result<_, _>>().map(Value::Array)
            }
            Value::Object(fields) => match single(fields) {
                Some(("Ref", Value::String(name))) => self.reference(name),
                Some(("Fn::GetAtt", target)) => self.attribute(target),
                Some(("Fn::Sub", text)) => self.substitute(text),
                Some(("Fn::Join", parts)) => self.join(parts),
                Some(("Fn::ImportValue", name)) => self.resolve(name),
                Some(("Fn::If", branches)) => self.choose(branches),
                _ => {
                    let resolved = fields.iter().map(|(name, field)| Ok((name.clone(), self.resolve(field)?)));
                    resolved.collect::<Result<Map<_, _>, TemplateError>>().map(Value::Object)
                }
            },
            plain => Ok(plain.clone()),
        }
    }

    fn choose(&self, branches: &Value) -> Result<Value, TemplateError> {
        let condition = branches.get(0).and_then(Value::as_str).unwrap_or_default();
        let holds = match self.document.pointer(&format!("/Conditions/{condition}")) {
            Some(condition) => self.holds(condition)?,
            None => return Err(TemplateError::Condition(condition.to_owned())),
        };
        branches.get(if holds { 1 } else { 2 }).map_or(Ok(Value::Null), |branch| self.resolve(branch))
    }

    /// Whether a condition holds, of those that the template needs: whether two values are one, or not.
    fn holds(&self, condition: &Value) -> Result<bool, TemplateError> {
        let inner = |list: &'_ Value| list.get(0).cloned().unwrap_or_default();
        match condition.as_object().and_then(single) {
            Some(("Fn::Not", list)) => self.holds(&inner(list)).map(|holds| !holds),
            Some(("Fn::Equals", pair)) => {
                let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let side = |at: usize| pair.get(at).map_or(Ok(Value::Null), |value| self.resolve(value)).map(text);
                Ok(side(0)? == side(1)?)
            }
            _ => Err(TemplateError::Condition(condition.to_string())),
        }
    }

    fn kind(&self, id: &str) -> &str {
        self.document.pointer(&format!("/Resources/{id}/Type")).and_then(Value::as_str).unwrap_or_default()
    }

    fn reference(&self, name: &str) -> Result<Value, TemplateError> {
        let Deployment { stack, region, account, parameters } = self.deployment;
        let text = match name {
            "AWS::StackName" => stack.clone(),
            "AWS::Region" => region.clone(),
            "AWS::AccountId" => account.clone(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            "AWS::NoValue" => return Ok(Value::Null),
            name => match (parameters.get(name), self.document.pointer(&format!("/Parameters/{name}"))) {
                (Some(value), _) => value.clone(),
                (None, Some(parameter)) => match parameter.get("Default") {
                    Some(Value::String(text)) => text.clone(),
                    Some(default) => default.to_string(),
                    None => return Err(TemplateError::Parameter(name.to_owned())),
                },
                (None, None) if self.kind(name) == "AWS::SQS::Queue" => {
                    format!("https://sqs.{region}.amazonaws.com/{account}/{}", self.name(name, "QueueName")?)
                }
                (None, None) => self.arn(name)?,
            },
        };
        Ok(Value::String(text))
    }

    fn attribute(&self, target: &Value) -> Result<Value, TemplateError> {
        let id = match target {
            Value::String(path) => path.split('.').next().unwrap_or_default(),
            list => list.get(0).and_then(Value::as_str).unwrap_or_default(),
        };
        Ok(Value::String(self.arn(id)?))
    }

    fn substitute(&self, input: &Value) -> Result<Value, TemplateError> {
        let none = Value::Null;
        let (text, own) = match input {
            Value::Array(parts) => {
                (parts.first().and_then(Value::as_str).unwrap_or_default(), parts.get(1).unwrap_or(&none))
            }
            text => (text.as_str().unwrap_or_default(), &none),
        };
        let mut pieces = text.split("${");
        let mut resolved = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}').unwrap_or((piece, ""));
            let value = match (name.strip_prefix('!'), own.get(name)) {
                (Some(literal), _) => json!(format!("${{{literal}}}")),
                (None, Some(own)) => self.resolve(own)?,
                (None, None) if name.contains('.') => self.attribute(&json!(name))?,
                (None, None) => self.reference(name)?,
            };
            resolved.push_str(value.as_str().unwrap_or_default());
            resolved.push_str(rest);
        }
        Ok(Value::String(resolved))
    }

    fn join(&self, parts: &Value) -> Result<Value, TemplateError> {
        let separator = parts.get(0).and_then(Value::as_str).unwrap_or_default();
        // A list parameter is kept as its comma-separated text.
        let joined = match parts.get(1).map(|list| self.resolve(list)).transpose()? {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(separator),
            Some(Value::String(list)) => list.split(',').collect::<Vec<_>>().join(separator),
            _ => String::new(),
        };
        Ok(Value::String(joined))
    }
}

fn single(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    if fields.len() == 1 { fields.iter().next().map(|(name, value)| (name.as_str(), value)) } else { None }
}

/// `!Ref X` becomes `{"Ref": X}`, `!Sub X` becomes `{"Fn::Sub": X}`, and so on.
fn to_json(yaml: Yaml) -> Result<Value, TemplateError> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::String(text) => Value::String(text),
        Yaml::Number(number) => serde_json::to_value(&number).map_err(|_| TemplateError::Shape(number.to_string()))?,
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?),
        Yaml::Mapping(fields) => {
            let mut object = Map::new();
            for (name, field) in fields {
                let Yaml::String(name) = name else { return Err(TemplateError::Shape(format!("{name:?}"))) };
                object.insert(name, to_json(field)?);
            }
            Value::Object(object)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let tag = tag.trim_start_matches('!');
            let name = if tag == "Ref" || tag == "Condition" { tag.to_owned() } else { format!("Fn::{tag}") };
            let mut object = Map::new();
            object.insert(name, to_json(tagged.value)?);
            Value::Object(object)
        }
    })
}
