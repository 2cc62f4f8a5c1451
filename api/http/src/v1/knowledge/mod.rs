//! REST endpoints of knowledge bases and their documents, one file each.

pub mod create;
pub mod documents;
pub mod ingest;
pub mod patch;
pub mod presign;
pub mod read;
mod resource;
pub mod search;

pub(crate) use resource::KnowledgeBaseResource;
