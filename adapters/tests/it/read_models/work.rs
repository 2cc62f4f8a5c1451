//! The suites of leases and of work.

use domain::ports::conformance::{lease, work};
use std::sync::Arc;

use super::World;

fn subject(world: World) -> (work::Subject, lease::Subject) {
    let keep = Arc::new(world._keep);
    let views = Arc::new(world.views);
    let work = work::Subject { store: views.clone(), leases: views.clone(), keep: Box::new(keep.clone()) };
    let lease = lease::Subject { leases: views, exclusive: !world.shared, keep: Box::new(keep) };
    (work, lease)
}

mod sqlite {
    async fn fresh_work() -> super::work::Subject {
        super::subject(super::super::sqlite().await).0
    }

    async fn fresh_leases() -> super::lease::Subject {
        super::subject(super::super::sqlite().await).1
    }

    domain::work_store_suite!(super::fresh_work);
    domain::lease_suite!(super::fresh_leases);
}

mod postgres {
    async fn fresh_work() -> super::work::Subject {
        super::subject(super::super::postgres().await).0
    }

    async fn fresh_leases() -> super::lease::Subject {
        super::subject(super::super::postgres().await).1
    }

    domain::work_store_suite!(super::fresh_work);
    domain::lease_suite!(super::fresh_leases);
}
