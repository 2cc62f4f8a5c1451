//! The suites of leases, of work and of deliveries.

use domain::ports::conformance::{deliveries, lease, work};
use std::sync::Arc;

use super::World;

fn subject(world: World) -> (work::Subject, lease::Subject, deliveries::Subject) {
    let keep = Arc::new(world._keep);
    let views = Arc::new(world.views);
    let work = work::Subject { store: views.clone(), leases: views.clone(), keep: Box::new(keep.clone()) };
    let deliveries =
        deliveries::Subject { store: views.clone(), leases: views.clone(), keep: Box::new(keep.clone()) };
    let lease = lease::Subject { leases: views, exclusive: !world.shared, keep: Box::new(keep) };
    (work, lease, deliveries)
}

mod sqlite {
    async fn fresh_work() -> super::work::Subject {
        super::subject(super::super::sqlite().await).0
    }

    async fn fresh_leases() -> super::lease::Subject {
        super::subject(super::super::sqlite().await).1
    }

    async fn fresh_deliveries() -> super::deliveries::Subject {
        super::subject(super::super::sqlite().await).2
    }

    domain::work_store_suite!(super::fresh_work);
    domain::lease_suite!(super::fresh_leases);
    domain::delivery_store_suite!(super::fresh_deliveries);
}

mod postgres {
    async fn fresh_work() -> super::work::Subject {
        super::subject(super::super::postgres().await).0
    }

    async fn fresh_leases() -> super::lease::Subject {
        super::subject(super::super::postgres().await).1
    }

    async fn fresh_deliveries() -> super::deliveries::Subject {
        super::subject(super::super::postgres().await).2
    }

    domain::work_store_suite!(super::fresh_work);
    domain::lease_suite!(super::fresh_leases);
    domain::delivery_store_suite!(super::fresh_deliveries);
}
