//! Lists by pages: an opaque cursor, and a limit on what one answer holds.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::parameters::Query;
use crate::problem::Problem;

/// Items in one answer when the caller does not say.
pub const LIMIT_DEFAULT: u32 = 50;
/// Most items in one answer: with the widest item it stays far below the 6 MB that Lambda returns.
pub const LIMIT_MAX: u32 = 100;
/// A cursor is a store key of a few hundred bytes.
const CURSOR_BYTES_MAX: usize = 2_048;
/// Bytes of a sort key (DynamoDB quota); a longer text, or none at all, is no key and would be refused by the table.
const SORT_KEY_BYTES_MAX: usize = 1_024;

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct PageRequest {
    /// 1 to [`LIMIT_MAX`].
    pub limit: u32,
    /// Where the page before ended, as [`Page::new`] was told. Callers can make one up: whoever uses it as a store key
    /// takes only the sort key from it, never the partition, by [`PageRequest::sort_key`].
    pub after: Option<Value>,
}

/// One page of a list.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; null on the last.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page that ends at `next`, or is the last.
    #[must_use]
    pub fn new(items: Vec<T>, next: Option<&Value>) -> Self {
        Self { items, next: next.map(|key| URL_SAFE_NO_PAD.encode(key.to_string())) }
    }

    /// A list that always fits one page.
    #[must_use]
    pub const fn only(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// The same page of other items.
    #[must_use]
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}

impl PageRequest {
    /// The sort key after which the page begins; none for the first.
    ///
    /// # Errors
    /// 422 for a cursor that is none.
    pub fn sort_key(&self) -> Result<Option<String>, Problem> {
        let Some(after) = &self.after else { return Ok(None) };
        let key = after.as_str().filter(|key| (1..=SORT_KEY_BYTES_MAX).contains(&key.len()));
        key.map(|key| Some(key.to_owned())).ok_or_else(not_a_cursor)
    }

    /// The number after which the page begins, of a list that is ordered by one; zero for the first.
    ///
    /// # Errors
    /// 422 for a cursor that is none.
    pub fn number(&self) -> Result<u64, Problem> {
        self.after.as_ref().map_or(Ok(0), |after| after.as_u64().ok_or_else(not_a_cursor))
    }

    /// The place at which the page begins, of a list that keeps more than a key in its cursor; none for the first.
    ///
    /// # Errors
    /// 422 for a cursor that is none.
    pub fn place<T: DeserializeOwned>(&self) -> Result<Option<T>, Problem> {
        self.after.clone().map(serde_json::from_value).transpose().map_err(|_| not_a_cursor())
    }

    pub(crate) fn from_query(query: &Query) -> Result<Self, Problem> {
        let limit = match query.get("limit") {
            None => LIMIT_DEFAULT,
            Some(given) => given
                .parse()
                .ok()
                .filter(|n| (1..=LIMIT_MAX).contains(n))
                .ok_or_else(|| Problem::invalid(format!("`limit` must be a whole number from 1 to {LIMIT_MAX}")))?,
        };
        let after = query.get("cursor").map(decode).transpose()?;
        Ok(Self { limit, after })
    }
}

fn decode(cursor: &str) -> Result<Value, Problem> {
    Some(cursor)
        .filter(|c| c.len() <= CURSOR_BYTES_MAX)
        .and_then(|c| URL_SAFE_NO_PAD.decode(c).ok())
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or_else(not_a_cursor)
}

fn not_a_cursor() -> Problem {
    Problem::invalid("`cursor` is not one that this list gave; begin again without it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_where_the_next_begins_and_made_up_cursors_and_limits_are_refused() -> Result<(), Problem> {
        let key = serde_json::json!({"SK": "TASK#1"});
        let next = Page::new(vec![1], Some(&key)).next.unwrap_or_default();
        let query = Query::parse(&format!("limit=100&cursor={next}"))?;
        assert_eq!(PageRequest::from_query(&query)?, PageRequest { limit: 100, after: Some(key) });
        assert_eq!(PageRequest::from_query(&Query::parse("")?)?.limit, LIMIT_DEFAULT);
        for bad in [
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=1e3",
            "limit=99999999999999999999",
            "cursor=%22",
            "cursor=e30x%00",
        ] {
            let refused = Query::parse(bad).and_then(|q| PageRequest::from_query(&q));
            assert_eq!(refused.map_err(|p| p.status), Err(422), "{bad}");
        }
        Ok(())
    }

    #[test]
    fn a_cursor_that_the_table_could_not_take_as_a_key_is_refused() {
        let page = |after: Value| PageRequest { limit: 1, after: Some(after) };
        assert_eq!(page("TASK#1".into()).sort_key(), Ok(Some("TASK#1".to_owned())));
        for odd in [Value::from(""), "x".repeat(1_025).into(), 7.into(), Value::Null] {
            assert_eq!(page(odd.clone()).sort_key().map_err(|p| p.status), Err(422), "{odd}");
        }
        assert_eq!(page(7.into()).number(), Ok(7));
        assert_eq!(page("7".into()).number().map_err(|p| p.status), Err(422));
    }
}
