//! The index on both databases; two nodes share a server.

use adapters::read_models::{PostgresSettings, SqlViews};
use adapters::testing::postgres::Cluster;
use adapters::vector_index::SqlVectorIndex;
use conformance::vector_index::Subject;
use domain::ports::vector_index::VectorIndex;

/// Small, so that copies are dropped and loaded again.
const MEMORY: usize = 1 << 20;

struct Nodes {
    one: SqlVectorIndex,
    other: SqlVectorIndex,
    _folder: Option<tempfile::TempDir>,
}

impl Subject for Nodes {
    fn index(&self) -> &dyn VectorIndex {
        &self.one
    }

    fn other(&self) -> &dyn VectorIndex {
        &self.other
    }
}

fn nodes(views: &SqlViews, folder: Option<tempfile::TempDir>) -> Nodes {
    let one = SqlVectorIndex::new(views, MEMORY);
    // with copies of its own, as on another node
    let other = SqlVectorIndex::new(views, MEMORY);
    Nodes { one, other, _folder: folder }
}

mod sqlite {
    use super::*;

    async fn fresh() -> Nodes {
        let folder = tempfile::tempdir().unwrap();
        let views = SqlViews::open_sqlite(&folder.path().join("views.db")).await.unwrap();
        nodes(&views, Some(folder))
    }

    conformance::vector_index_suite!(super::fresh);
}

mod postgres {
    use super::*;

    async fn fresh() -> Nodes {
        let url = Cluster::shared().database().await;
        let views = SqlViews::open_postgres(&url, PostgresSettings::default()).await.unwrap();
        nodes(&views, None)
    }

    conformance::vector_index_suite!(super::fresh);
}
