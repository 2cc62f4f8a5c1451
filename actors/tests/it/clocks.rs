//! Clocks that are wrong: the carrier's, and the node's own, set forward and back while it runs.

use std::time::Duration;

use chrono::TimeDelta;
use domain::call::report::CarrierFact;
use domain::ports::telephony::CarrierError;

use crate::world::World;

impl World {
    /// Sets the node's wall clock, and lets the node notice.
    async fn set_clock(&self, by: TimeDelta) {
        self.settle().await;
        self.clock.jump(by);
        self.clock.advance(Duration::from_secs(1));
        self.settle().await;
    }

    fn hang_ups(&self) -> usize {
        self.carrier.asked_names().into_iter().filter(|name| name == "HangUp").count()
    }
}

#[actix::test]
async fn a_carrier_whose_clock_is_ahead_is_answered_at_once() {
    let world = World::new();
    world.start_work();
    let mut rings = world.initiated("a");
    rings.occurred_at += TimeDelta::seconds(30);
    world.take(rings).await;
    world.settle().await;
    assert_eq!(world.carrier.asked_names(), ["Answer"]);
    let mut answered = world.report("a", 2, CarrierFact::Answered);
    answered.occurred_at += TimeDelta::seconds(31);
    world.take(answered).await;
    world.settle().await;
    assert_eq!(world.carrier.asked_names(), ["Answer", "Speak"]);
}

#[actix::test]
async fn a_call_rings_as_long_as_it_may_by_the_nodes_clock_however_wrong_the_carriers_is() {
    for carrier in [TimeDelta::hours(-1), TimeDelta::hours(1)] {
        let world = World::new();
        world.start_work();
        world.carrier.fails_next((0..3).map(|_| CarrierError::NotReady { code: "90034".into() }));
        let mut rings = world.initiated("a");
        rings.occurred_at += carrier;
        world.take(rings).await;
        world.pass(Duration::from_secs(59)).await;
        assert_eq!(world.hang_ups(), 0);
        world.pass(Duration::from_secs(3)).await;
        assert_eq!(world.hang_ups(), 1);
    }
}

#[actix::test]
async fn a_limit_is_neither_cut_short_nor_prolonged_by_a_clock_that_is_set() {
    for days in [-1, 3, -400] {
        let world = World::new();
        world.start_work();
        world.carrier.fails_next((0..3).map(|_| CarrierError::NotReady { code: "90034".into() }));
        world.take(world.initiated("a")).await;
        world.pass(Duration::from_secs(10)).await;
        world.set_clock(TimeDelta::days(days)).await;
        world.pass(Duration::from_secs(47)).await;
        assert_eq!(world.hang_ups(), 0, "58 s have passed, and {days} days");
        world.pass(Duration::from_secs(4)).await;
        assert_eq!(world.hang_ups(), 1, "62 s have passed, and {days} days");
    }
}

#[actix::test]
async fn what_is_put_off_for_a_second_comes_again_in_a_second_after_the_clock_was_set_back() {
    let world = World::new();
    world.start_work();
    world.carrier.fails_next([CarrierError::Unknown { reason: "timeout".into() }]);
    world.take(world.initiated("a")).await;
    world.settle().await;
    world.set_clock(TimeDelta::days(-1)).await;
    world.pass(Duration::from_secs(2)).await;
    assert_eq!(world.carrier.asked_names(), ["Answer", "Answer"]);
    // and what the log tells of from now on is done at once
    world.take(world.report("a", 2, CarrierFact::Answered)).await;
    world.settle().await;
    assert_eq!(world.carrier.asked_names(), ["Answer", "Answer", "Speak"]);
}
