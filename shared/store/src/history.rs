//! Histories that grow: the newest entries stand with the thing, those before them in pages of their own, so that no
//! item grows with use.
//!
//! A page is full for good: it follows from the entries that it holds and those before, so that an entry which comes
//! later moves none. The last full page stays with the thing, whose lists show at least that much of its history.

use domain::base::digest::canonical_json;
use serde::Serialize;

/// Bytes of entries that fill a page; the entry that reaches them is its last. The longest entry is one note of 8,000
/// bytes, so a hundred things in one answer of a list show at most some 2.5 MB of history; Lambda returns 6 MB.
const PAGE_BYTES: usize = 8 * 1024;

/// A history as it is laid out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pages<'a, T> {
    /// What stands in pages of their own, oldest first, each with the number of entries before it.
    pub(crate) past: Vec<(usize, &'a [T])>,
    /// What stands with the thing: the last full page, and what came after.
    pub(crate) newest: &'a [T],
}

/// Lays a history out.
pub(crate) fn pages<T: Serialize>(entries: &[T]) -> Pages<'_, T> {
    let (mut past, mut last_full) = (Vec::new(), None);
    let (mut before, mut newest, mut rest) = (0, entries, entries);
    while let Some((page, after)) = full_page(rest) {
        past.extend(last_full.replace((before, page)));
        newest = rest;
        rest = after;
        before += page.len();
    }
    Pages { past, newest }
}

/// The first page of these entries and what follows it, if they fill one.
fn full_page<T: Serialize>(entries: &[T]) -> Option<(&[T], &[T])> {
    let mut bytes = 0;
    let last = entries.iter().position(|entry| {
        bytes += canonical_json(entry).len();
        bytes >= PAGE_BYTES
    })?;
    entries.split_at_checked(last + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // Each case lays a history out once for each of its entries.
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn entries_that_come_later_move_no_page_and_what_stands_with_the_thing_is_bounded(
            lengths in proptest::collection::vec(1..9_000_usize, 0..24),
        ) {
            let history: Vec<String> = lengths.iter().map(|length| "x".repeat(*length)).collect();
            let mut settled = Vec::new();
            for count in 0..=history.len() {
                let so_far = history.get(..count).unwrap_or_default();
                let Pages { past, newest } = pages(so_far);
                prop_assert!(past.starts_with(&settled));
                prop_assert!(newest.iter().map(String::len).sum::<usize>() < 2 * PAGE_BYTES + 9_000);
                let whole: Vec<&String> = past.iter().flat_map(|(_, page)| *page).chain(newest).collect();
                prop_assert_eq!(whole, so_far.iter().collect::<Vec<_>>());
                for (before, page) in &past {
                    prop_assert_eq!(so_far.get(*before..before + page.len()), Some(*page));
                }
                settled = past;
            }
        }
    }
}
