//! The portfolio review as one page to print or send: no script, no link, nothing loaded from anywhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::base::money::Money;
use crate::spend::bill::reconciliation::Unreadable;
use crate::spend::card::{Band, Variance};
use crate::spend::portfolio::{Hierarchy, Portfolio, Slice};
use jiff::Timestamp;

use super::file::Document;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
<title>AI portfolio review</title><style>\
body{font:14px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:60rem;color:#1b1f24}\
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}th,td{padding:.3rem \
.6rem;text-align:left;border-bottom:1px solid #d8dee4}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}\
.under{color:#0550ae}.on-track{color:#116329}.watch{color:#7d4e00}.over{color:#a40e26}.no-estimate{color:#57606a}\
</style></head><body>\n";

/// The page.
#[must_use]
pub fn render(portfolio: &Portfolio, as_of: Timestamp) -> Document {
    let mut page = Page { html: HEAD.to_owned(), rows: 0 };
    page.line(&format!(
        "<h1>AI portfolio review</h1><p>Week of {} to {}, as of {as_of}. {}</p>",
        portfolio.week,
        portfolio.week.last_day(),
        held(portfolio)
    ));
    let total = vec![slice_cells("All cards", &portfolio.total)];
    page.table("Actual against estimate", &SLICE, total);
    let slices = portfolio.by_hierarchy.iter().map(|s| slice_cells(&place(&s.hierarchy), &s.slice));
    page.table("By business unit, department, portfolio, product", &SLICE, slices);
    let platforms =
        portfolio.by_platform.iter().map(|p| vec![Cell::text(p.platform.display_name()), Cell::money(&p.actual)]);
    page.table("By platform", &[("Platform", false), ("Actual", true)], platforms);
    let models = portfolio
        .by_model
        .iter()
        .map(|m| vec![Cell::text(m.platform.display_name()), Cell::text(&m.model), Cell::money(&m.actual)]);
    page.table("By model", &[("Platform", false), ("Model", false), ("Actual", true)], models);
    let waiting =
        portfolio.open_cards.iter().map(|o| vec![Cell::text(o.owner.as_str()), Cell::number(&o.card_ids.len())]);
    page.table("Cards that wait for their owner", &[("Owner", false), ("Cards", true)], waiting);
    let gaps = portfolio.gaps.iter().map(|g| {
        let in_totals = if g.in_totals { "yes" } else { "no, attributed" };
        vec![Cell::text(g.kind.as_str()), Cell::text(in_totals), Cell::number(&g.count), Cell::money(&g.amount)]
    });
    page.table(
        "Open gaps of the month",
        &[("Kind", false), ("In totals", false), ("Gaps", true), ("Amount", true)],
        gaps,
    );
    let adjustments = portfolio.adjustments.iter().map(|a| {
        let period = format!("{} to {}", a.adjustment.period.from, a.adjustment.period.to);
        vec![Cell::text(a.workload_id.as_str()), Cell::text(&period), Cell::money(&a.adjustment.amount)]
    });
    page.table(
        "Adjustments of signed periods",
        &[("Workload", false), ("Period", false), ("Amount", true)],
        adjustments,
    );
    page.table(
        "New models",
        &[("Model", false)],
        portfolio.new_models.iter().map(|key| vec![Cell::text(key.as_str())]),
    );
    page.line(&format!("<p>Open drift findings: {}</p></body></html>", portfolio.open_drift));
    let control_totals = BTreeMap::from([("actual".to_owned(), vec![portfolio.total.actual.clone()])]);
    Document {
        bytes: page.html.into_bytes(),
        extension: "html",
        content_type: "text/html; charset=utf-8",
        rows: page.rows,
        control_totals,
        unreadable: Unreadable::default(),
    }
}

/// The variance is the actual less what is without an estimate, against the estimate: the columns add up to it.
const SLICE: [(&str, bool); 6] = [
    ("", false),
    ("Cards", true),
    ("Actual", true),
    ("of it without estimate", true),
    ("Estimate", true),
    ("Variance of the rest", true),
];

struct Page {
    html: String,
    rows: u64,
}

/// A table's cell, escaped.
struct Cell {
    html: String,
    is_number: bool,
}

impl Cell {
    fn text(text: &str) -> Self {
        Self { html: escaped(text), is_number: false }
    }

    fn number(number: &impl ToString) -> Self {
        Self { html: number.to_string(), is_number: true }
    }

    fn money(money: &Money) -> Self {
        Self { html: plain(money), is_number: true }
    }

    fn without_estimate(slice: &Slice) -> Self {
        let cards = match slice.without_estimate {
            0 => return Self { html: "–".to_owned(), is_number: true },
            1 => "1 card".to_owned(),
            many => format!("{many} cards"),
        };
        Self { html: format!("{} on {cards}", plain(&slice.actual_without_estimate)), is_number: true }
    }

    fn variance(variance: &Variance) -> Self {
        let (class, word) = match variance.band {
            Band::Under => ("under", "under"),
            Band::OnTrack => ("on-track", "on track"),
            Band::Watch => ("watch", "watch"),
            Band::Over => ("over", "over"),
            Band::NoEstimate => ("no-estimate", "no estimate"),
        };
        let percent = variance.percent.map(|percent| format!("{percent} % ")).unwrap_or_default();
        Self { html: format!("<span class=\"{class}\">{percent}{word}</span>"), is_number: true }
    }
}

impl Page {
    fn line(&mut self, html: &str) {
        self.html.push_str(html);
        self.html.push('\n');
    }

    /// A table with its heading; one without rows says so.
    fn table(&mut self, heading: &str, columns: &[(&str, bool)], rows: impl IntoIterator<Item = Vec<Cell>>) {
        let class = |is_number: bool| if is_number { " class=\"n\"" } else { "" };
        self.line(&format!("<h2>{heading}</h2>"));
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            self.line("<p>None.</p>");
            return;
        }
        let mut html = String::from("<table><tr>");
        for (name, is_number) in columns {
            // Writing to a String cannot fail.
            let _ = write!(html, "<th{}>{name}</th>", class(*is_number));
        }
        html.push_str("</tr>\n");
        for row in rows {
            html.push_str("<tr>");
            for cell in row {
                let _ = write!(html, "<td{}>{}</td>", class(cell.is_number), cell.html);
            }
            html.push_str("</tr>\n");
            self.rows += 1;
        }
        html.push_str("</table>");
        self.line(&html);
    }
}

fn slice_cells(name: &str, slice: &Slice) -> Vec<Cell> {
    let estimate = slice.estimate_share.as_ref().map(plain).unwrap_or_default();
    vec![
        Cell::text(name),
        Cell::number(&slice.cards),
        Cell::money(&slice.actual),
        Cell::without_estimate(slice),
        Cell { html: estimate, is_number: true },
        Cell::variance(&slice.variance),
    ]
}

fn held(portfolio: &Portfolio) -> String {
    match &portfolio.review {
        Some(review) => format!("The review was held by {} at {}.", escaped(review.by.as_str()), review.at),
        None => "The review has not been held.".to_owned(),
    }
}

fn place(hierarchy: &Hierarchy) -> String {
    let Hierarchy { business_unit, department, portfolio, product } = hierarchy;
    let labels =
        [business_unit, department, portfolio, product].map(|label| if label.is_empty() { "–" } else { label });
    labels.join(" / ")
}

fn plain(money: &Money) -> String {
    format!("{} {}", money.amount.normalize(), escaped(money.currency.as_str()))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::calendar::Week;
    use crate::spend::portfolio::{HierarchySlice, ReviewInputs, summarise};

    #[test]
    fn a_report_says_what_its_variance_leaves_out() -> anyhow::Result<()> {
        let week: Week = "2026-08-16".parse()?;
        let mut portfolio = summarise(week, &[], &[], ReviewInputs::default());
        let page = |portfolio: &Portfolio| String::from_utf8(render(portfolio, Timestamp::UNIX_EPOCH).bytes);
        assert!(page(&portfolio)?.contains("<td class=\"n\">–</td>"));
        portfolio.total.without_estimate = 2;
        portfolio.total.actual_without_estimate = Money::usd("12.50".parse()?);
        let html = page(&portfolio)?;
        assert!(html.contains("of it without estimate") && html.contains("12.5 USD on 2 cards"), "{html}");
        Ok(())
    }

    #[test]
    fn a_report_holds_no_markup_that_people_typed() -> anyhow::Result<()> {
        let week: Week = "2026-08-16".parse()?;
        let mut portfolio = summarise(week, &[], &[], ReviewInputs::default());
        let hierarchy = Hierarchy { product: "<script>alert('x')</script>".to_owned(), ..Hierarchy::default() };
        portfolio.by_hierarchy.push(HierarchySlice { hierarchy, slice: portfolio.total.clone() });
        let document = render(&portfolio, Timestamp::UNIX_EPOCH);
        let html = String::from_utf8(document.bytes)?;
        assert!(html.contains("– / – / – / &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
        assert!(!html.contains("<script") && !html.contains("src=") && !html.contains("href="));
        assert_eq!(document.rows, 2);
        assert!(html.ends_with("</body></html>\n"));
        Ok(())
    }
}
