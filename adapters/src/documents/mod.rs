//! Documents of knowledge bases: stored encrypted, and read by a child process that can do nothing else.
//!
//! Formats are parsed in [`parse`](mod@parse), by libraries that a hostile file may bring to loop, to panic or to eat memory.
//! Therefore the node never calls it: [`ChildParser`] starts the program again, bounded by the operating system, and
//! reads its answer line by line.

mod child;
mod csv_rows;
mod docx;
mod fetch;
mod html;
mod markdown;
mod parent;
mod parse;
mod pdf;
mod reader;
mod sniff;
mod text;

pub use child::{COMMAND, run};
pub use parent::{ChildParser, ParserLimits};
pub use parse::{Parsed, parse};
pub use reader::{DocumentLimits, StoredDocuments};
pub use sniff::Format;
