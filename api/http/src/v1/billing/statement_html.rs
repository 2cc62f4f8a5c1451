//! The statement of a month as a page to print.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, VARY};
use projections::calls::MoneyView;
use projections::edge::format_time;

use super::super::text::escaped;
use super::statement::StatementView;
use crate::problem::ApiError;

const STYLE: &str = "body{font:11pt/1.5 sans-serif;max-width:42em;margin:2em auto;padding:0 1em}\
    table{border-collapse:collapse;width:100%;margin:0 0 1.5em}\
    th,td{text-align:left;padding:.3em 0;border-bottom:1px solid #bbb}\
    td:last-child,th:last-child{text-align:right;font-variant-numeric:tabular-nums}";

/// The page. It loads nothing and runs nothing.
pub(super) fn page(statement: &StatementView) -> Result<HttpResponse, ApiError> {
    let text = written(statement).map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .append_header((VARY, "accept"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"))
        .body(text))
}

fn written(of: &StatementView) -> Result<String, std::fmt::Error> {
    let mut page = String::new();
    let (month, zone) = (escaped(&of.month), escaped(&of.timezone));
    write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Statement {month}</title>\
         <style>{STYLE}</style></head><body><h1>Statement {month}</h1>\
         <p>From {} to {}, a month of {zone}. {} transactions.</p>\
         <table><thead><tr><th>What</th><th>Number</th><th>Amount</th></tr></thead><tbody>",
        format_time(of.from),
        format_time(of.to),
        of.transactions
    )?;
    write!(page, "<tr><td>Credit before</td><td></td><td>{}</td></tr>", amount(&of.opening))?;
    for total in &of.totals {
        let kind = escaped(total.kind);
        write!(page, "<tr><td>{kind}</td><td>{}</td><td>{}</td></tr>", total.count, amount(&total.amount))?;
    }
    write!(page, "<tr><th>Credit after</th><th></th><th>{}</th></tr></tbody></table>", amount(&of.closing))?;
    if !of.components.is_empty() {
        page.push_str("<h2>Cost of calls by part</h2><table><tbody>");
        for part in &of.components {
            let component = escaped(part.component);
            write!(page, "<tr><td>{component}</td><td>{}</td></tr>", amount(&part.amount))?;
        }
        page.push_str("</tbody></table>");
    }
    page.push_str("</body></html>");
    Ok(page)
}

/// An amount with all six decimals, so that the sums on paper are exact.
fn amount(money: &MoneyView) -> String {
    let (sign, micros) = (if money.amount_micros < 0 { "-" } else { "" }, money.amount_micros.unsigned_abs());
    format!("{sign}{}.{:06} {}", micros / 1_000_000, micros % 1_000_000, escaped(&money.currency))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact() {
        let money = |amount_micros| MoneyView { amount_micros, currency: "USD".to_owned() };
        let shown = [0, -16_000, 25_000_000, i64::MIN].map(|micros| amount(&money(micros)));
        let least = "-9223372036854.775808 USD";
        assert_eq!(shown, ["0.000000 USD", "-0.016000 USD", "25.000000 USD", least]);
    }
}
