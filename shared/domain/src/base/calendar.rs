//! Months and periods. A period is Sunday to Saturday, cut at month borders, in UTC days as in the CUR.

use jiff::civil::{Date, Weekday};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// The UTC day of a moment.
#[must_use]
pub fn utc_day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// 00:00 UTC of a day: when something effective from that day begins.
#[must_use]
pub fn start_of_day(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |z| z.timestamp())
}

/// The day after; the last representable day stays itself.
#[must_use]
pub fn next_day(day: Date) -> Date {
    day.tomorrow().unwrap_or(day)
}

/// The day before; the first representable day stays itself.
#[must_use]
pub fn previous_day(day: Date) -> Date {
    day.yesterday().unwrap_or(day)
}

/// A calendar month, which is also AWS's billing period; written `YYYY-MM`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month(Date);

/// Text that is not a month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a month; write YYYY-MM, such as 2026-08")]
pub struct MalformedMonth(pub String);

impl Month {
    /// The month that holds a day.
    #[must_use]
    pub fn of(day: Date) -> Self {
        Self(day.first_of_month())
    }

    /// Its first day.
    #[must_use]
    pub fn first_day(self) -> Date {
        self.0
    }

    /// Its last day.
    #[must_use]
    pub fn last_day(self) -> Date {
        self.0.last_of_month()
    }

    /// How many days it has.
    #[must_use]
    pub fn days(self) -> i8 {
        self.0.days_in_month()
    }

    /// The month after.
    #[must_use]
    pub fn next(self) -> Self {
        Self(next_day(self.last_day()))
    }

    /// The month before.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(previous_day(self.0).first_of_month())
    }

    /// Its periods, in order; together they hold each of its days once.
    #[must_use]
    pub fn periods(self) -> Vec<Period> {
        let mut periods = Vec::with_capacity(6);
        let mut from = self.first_day();
        while from <= self.last_day() {
            let period = Period::of(from);
            from = next_day(period.to);
            periods.push(period);
        }
        periods
    }
}

impl std::str::FromStr for Month {
    type Err = MalformedMonth;
    fn from_str(given: &str) -> Result<Self, MalformedMonth> {
        let malformed = || MalformedMonth(given.to_owned());
        if given.len() != 7 || !given.is_ascii() {
            return Err(malformed());
        }
        let day: Date = format!("{given}-01").parse().map_err(|_| malformed())?;
        Ok(Self(day))
    }
}

impl TryFrom<String> for Month {
    type Error = MalformedMonth;
    fn try_from(given: String) -> Result<Self, MalformedMonth> {
        given.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> String {
        month.to_string()
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

impl std::fmt::Debug for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl schemars::JsonSchema for Month {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Month".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^\\d{4}-(0[1-9]|1[0-2])$"})
    }
}

/// A week as spend cards cut it: Sunday to Saturday, within one month. Both days belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Period {
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
}

impl Period {
    /// The period that holds a day.
    #[must_use]
    pub fn of(day: Date) -> Self {
        let since_sunday = day.weekday().since(Weekday::Sunday);
        let sunday = day.checked_sub(i32::from(since_sunday).days()).unwrap_or(day);
        let saturday = day.checked_add((6 - i32::from(since_sunday)).days()).unwrap_or(day);
        Self { from: sunday.max(day.first_of_month()), to: saturday.min(day.last_of_month()) }
    }

    /// The month that the period lies in.
    #[must_use]
    pub fn month(self) -> Month {
        Month::of(self.from)
    }

    /// The period before, which may lie in the previous month.
    #[must_use]
    pub fn previous(self) -> Self {
        Self::of(previous_day(self.from))
    }

    /// The Monday after its calendar week: the day on which its cards open.
    #[must_use]
    pub fn opens_on(self) -> Date {
        let since_sunday = i32::from(self.from.weekday().since(Weekday::Sunday));
        self.from.checked_add((8 - since_sunday).days()).unwrap_or(self.to)
    }

    /// Whether a day belongs to it.
    #[must_use]
    pub fn contains(self, day: Date) -> bool {
        self.from <= day && day <= self.to
    }

    /// Its days in order.
    pub fn days(self) -> impl Iterator<Item = Date> {
        let mut next = Some(self.from);
        std::iter::from_fn(move || {
            let day = next.filter(|d| *d <= self.to)?;
            next = day.tomorrow().ok();
            Some(day)
        })
    }

    /// The periods of the calendar week (Sunday to Saturday) that ended last before `today`: one, or two at a month
    /// border.
    #[must_use]
    pub fn ended_in_last_week(today: Date) -> Vec<Self> {
        let since_sunday = i32::from(today.weekday().since(Weekday::Sunday));
        let saturday = today.checked_sub((since_sunday + 1).days()).unwrap_or(today);
        let sunday = saturday.checked_sub(6.days()).unwrap_or(saturday);
        let (first, last) = (Self::of(sunday), Self::of(saturday));
        if first == last { vec![first] } else { vec![first, last] }
    }
}

/// A calendar week, Sunday to Saturday, named by its Sunday. At a month border it holds two periods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Week(Date);

impl Week {
    /// The week that holds a day.
    #[must_use]
    pub fn of(day: Date) -> Self {
        let since_sunday = i32::from(day.weekday().since(jiff::civil::Weekday::Sunday));
        Self(day.checked_sub(since_sunday.days()).unwrap_or(day))
    }

    /// Its Sunday.
    #[must_use]
    pub const fn first_day(self) -> Date {
        self.0
    }

    /// Its Saturday.
    #[must_use]
    pub fn last_day(self) -> Date {
        self.0.checked_add(6.days()).unwrap_or(self.0)
    }

    /// Its periods: one, or two at a month border.
    #[must_use]
    pub fn periods(self) -> Vec<Period> {
        let (first, last) = (Period::of(self.0), Period::of(self.last_day()));
        if first == last { vec![first] } else { vec![first, last] }
    }
}

impl std::str::FromStr for Week {
    type Err = jiff::Error;
    /// Any day names its week.
    fn from_str(given: &str) -> Result<Self, jiff::Error> {
        given.parse().map(Self::of)
    }
}

impl std::fmt::Display for Week {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn periods_are_sunday_to_saturday_cut_at_month_borders() {
        let check = |day: Date, from: Date, to: Date| assert_eq!(Period::of(day), Period { from, to }, "{day}");
        check(date(2026, 8, 24), date(2026, 8, 23), date(2026, 8, 29));
        check(date(2026, 8, 1), date(2026, 8, 1), date(2026, 8, 1));
        check(date(2026, 8, 31), date(2026, 8, 30), date(2026, 8, 31));
        check(date(2026, 7, 4), date(2026, 7, 1), date(2026, 7, 4));
        check(date(2028, 2, 29), date(2028, 2, 27), date(2028, 2, 29));
        assert_eq!(Period::of(date(2026, 8, 1)).previous(), Period { from: date(2026, 7, 26), to: date(2026, 7, 31) });
    }

    #[test]
    fn the_periods_of_a_month_hold_each_of_its_days_once() {
        for (year, month) in (2024..2032).flat_map(|y| (1..=12).map(move |m| (y, m))) {
            let month = Month::of(date(year, month, 15));
            let days: Vec<Date> = month.periods().into_iter().flat_map(Period::days).collect();
            assert_eq!(days.len(), usize::try_from(month.days()).unwrap_or(0));
            assert_eq!(days.first().copied(), Some(month.first_day()));
            assert!(days.windows(2).all(|w| matches!(w, [a, b] if next_day(*a) == *b)));
        }
    }

    #[test]
    fn a_monday_opens_one_period_or_two_at_a_month_border() {
        let check = |today: Date, count: usize| assert_eq!(Period::ended_in_last_week(today).len(), count, "{today}");
        check(date(2026, 8, 24), 1);
        check(date(2026, 8, 3), 2);
        assert_eq!(
            Period::ended_in_last_week(date(2026, 8, 24)),
            vec![Period { from: date(2026, 8, 16), to: date(2026, 8, 22) }]
        );
        // On a Sunday the week that ended yesterday is the last one; on a Saturday the current one has not ended.
        assert_eq!(Period::ended_in_last_week(date(2026, 8, 23)), Period::ended_in_last_week(date(2026, 8, 24)));
        assert_eq!(Period::ended_in_last_week(date(2026, 8, 29)), Period::ended_in_last_week(date(2026, 8, 24)));
    }

    #[test]
    fn cards_open_on_the_monday_after_the_calendar_week_also_at_a_month_border() {
        for (day, monday) in [(date(2026, 8, 16), date(2026, 8, 24)), (date(2026, 8, 22), date(2026, 8, 24))] {
            assert_eq!(Period::of(day).opens_on(), monday);
        }
        for day in [date(2026, 8, 30), date(2026, 8, 31), date(2026, 9, 1), date(2026, 9, 5)] {
            assert_eq!(Period::of(day).opens_on(), date(2026, 9, 7), "{day}");
        }
    }

    #[test]
    fn months_read_and_write_as_the_bill_does() {
        assert_eq!("2026-08".parse::<Month>().map(|m| m.to_string()).as_deref(), Ok("2026-08"));
        assert_eq!("2026-01".parse::<Month>().map(Month::previous).map(|m| m.to_string()).as_deref(), Ok("2025-12"));
        for bad in ["2026-13", "2026-8", "2026-08-01", "", "aaaa-bb"] {
            assert!(bad.parse::<Month>().is_err(), "{bad}");
        }
    }
}
