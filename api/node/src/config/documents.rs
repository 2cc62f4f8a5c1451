//! Settings of the documents in knowledge bases.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::setting::section;

section! {
    /// How documents of knowledge bases are read.
    pub struct DocumentsConfig {
        /// Most bytes of a document.
        max_bytes: NonZeroUsize = "documents.max_bytes", "52428800";
        /// Documents that are read and embedded at the same time.
        concurrency: NonZeroUsize = "documents.concurrency", "2";
        /// Memory of the process that reads a document, in MiB of address space; the program itself needs 256.
        memory_mib: NonZeroUsize = "documents.memory_mib", "768";
        /// Most processor time to read a document; it takes four times as long by the clock at most.
        timeout: Duration = "documents.timeout_ms", "60000";
    }
}
