//! The AWS Query protocol of IAM, STS and SNS: a form in, XML out.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Response;
use percent_encoding::percent_decode_str;

use super::answer::{Fault, Protocol, element, request_id, xml_answer};

/// One call's form.
#[derive(Debug, Default)]
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// Decodes `application/x-www-form-urlencoded` bytes; what is not UTF-8 reads as replacement characters.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let decode = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (decode(name), decode(value))).collect())
    }

    /// The action's name.
    pub(crate) fn action(&self) -> &str {
        self.get("Action").unwrap_or_default()
    }

    /// An optional member.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A required member.
    pub(crate) fn require(&self, name: &str) -> Result<&str, Fault> {
        let missing = || {
            Fault::new(
                400,
                "ValidationError",
                format!("Value at '{name}' failed to satisfy constraint: Member must not be null"),
            )
        };
        self.get(name).ok_or_else(missing)
    }

    /// The members of a list or map: `indexed("Tags.member")` groups `Tags.member.1.Key` by its number.
    pub(crate) fn indexed(&self, list: &str) -> Vec<Form> {
        let mut members: BTreeMap<u32, Form> = BTreeMap::new();
        for (name, value) in &self.0 {
            let Some(rest) = name.strip_prefix(list).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let (number, field) = rest.split_once('.').unwrap_or((rest, ""));
            if let Ok(number) = number.parse() {
                members.entry(number).or_default().0.insert(field.to_owned(), value.clone());
            }
        }
        members.into_values().collect()
    }
}

/// One page of a list: what it holds and where the next one starts.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

/// Cuts a sorted list after `limit` items; the marker is the last key of the page before.
pub(crate) fn page<T>(items: Vec<T>, key: impl Fn(&T) -> String, after: Option<&str>, limit: usize) -> Page<T> {
    let mut items: Vec<T> =
        items.into_iter().filter(|item| after.is_none_or(|after| key(item).as_str() > after)).collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(&key) } else { None };
    Page { items, next }
}

/// Answers an action: the result's inner XML in the envelope that the clients expect.
pub(crate) fn answer(action: &str, result: Result<String, Fault>) -> Response<Bytes> {
    match result {
        Ok(inner) => xml_answer(
            200,
            &format!(
                "<{action}Response><{action}Result>{inner}</{action}Result>\
                 <ResponseMetadata>{}</ResponseMetadata></{action}Response>",
                request_id()
            ),
        ),
        Err(fault) => Protocol::Query.refuse(&fault),
    }
}

/// The fault for an action that the emulation does not offer.
pub(crate) fn unknown_action(action: &str) -> Fault {
    Fault::new(400, "InvalidAction", format!("Could not find operation {action}: the local stack does not emulate it"))
}

/// `<name><member>…</member>…</name>`.
pub(crate) fn members(name: &str, items: impl IntoIterator<Item = String>) -> String {
    let inner: String = items.into_iter().map(|item| format!("<member>{item}</member>")).collect();
    format!("<{name}>{inner}</{name}>")
}

/// An optional element.
pub(crate) fn optional(name: &str, value: Option<&str>) -> String {
    value.map(|value| element(name, value)).unwrap_or_default()
}
