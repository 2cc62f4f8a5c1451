//! The guide to errors: the pages of all error codes as one page.

use std::fmt::Write as _;

use pulldown_cmark::{Options, Parser, html};

use crate::problem::Code;

const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Voxledger: errors</title><style>\
:root{color-scheme:light dark}body{font:16px/1.55 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}\
nav{columns:16rem}nav a{display:block}section{border-top:1px solid #8884;margin-top:2rem}\
section:target{border-top:3px solid #36c}code{font-family:ui-monospace,monospace;background:#8882;padding:.1em .3em}\
table{border-collapse:collapse}td,th{border:1px solid #8884;padding:.3rem .6rem;text-align:left}</style></head><body>\
<h1>Errors</h1><p>An error is a problem (RFC 9457) with a <code>code</code> that never changes. \
<a href=\"/docs\">The API</a></p>";

pub(super) fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("<nav>");
    for code in Code::ALL {
        let (name, status) = (code.as_str(), code.status().as_u16());
        // writing into a string cannot fail
        let _ = write!(page, "<a href=\"#{name}\">{status} {name}</a>");
    }
    page.push_str("</nav>");
    for code in Code::ALL {
        let name = code.as_str();
        let _ = write!(page, "<section id=\"{name}\"><h2><code>{name}</code> {}</h2>", code.title());
        let body = code.page().split_once('\n').map_or("", |(_heading, body)| body);
        html::push_html(&mut page, Parser::new_ext(body, Options::ENABLE_TABLES));
        page.push_str("</section>");
    }
    page.push_str("</body></html>");
    page
}
