//! What the carrier charged, read from the fake to the end.

use chrono::TimeDelta;
use domain::billing::matching::{CarrierId, CarrierRecord};
use domain::ports::clock::Clock as _;
use domain::ports::telephony::{CarrierAccount, RecordPart, Telephony as _};
use simulator::fake_telnyx::ChargedLeg;

use super::world::World;

#[actix_web::test]
async fn an_accounts_other_connections_are_left_out_and_records_of_none_are_not_surely_ours() {
    let world = World::start().await;
    let begin = world.clock.now();
    let ours = "1900000000000000001";
    // more than a page of ours, the offices' telephones, and legs that name no connection
    let legs = [(ours, 60_i64), ("1900000000000000002", 70), ("", 5)];
    world.fake.charges(|charged| {
        for (connection_id, count) in legs {
            charged.extend((0..count).map(|number| ChargedLeg {
                leg_id: format!("{connection_id} {number}"),
                session_id: format!("session {connection_id} {number}"),
                from: "+12025550123".to_owned(),
                to: "+12025550188".to_owned(),
                connection_id: connection_id.to_owned(),
                started_at: begin + TimeDelta::seconds(number),
                answered_at: Some(begin + TimeDelta::seconds(number)),
                ended_at: begin + TimeDelta::seconds(number + 61),
                billed_seconds: 120,
                micros: [2_000, 2_800],
                shown: true,
            }));
        }
    });
    let (mut records, mut after, mut parts) = (Vec::<CarrierRecord>::new(), None, Vec::new());
    loop {
        let period = (begin - TimeDelta::minutes(1), begin + TimeDelta::hours(1));
        let page = world.client.call_records(CarrierAccount::Node, period, after.as_deref()).await.unwrap();
        assert_eq!(page.connection, Some(CarrierId::of(ours)));
        records.extend(page.records);
        parts.push(page.part);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    // 135 records of either kind, 50 on a page
    let kind = [RecordPart::GoesOn, RecordPart::GoesOn, RecordPart::Complete];
    assert_eq!(parts, [kind, kind].concat());
    assert_eq!(records.iter().filter(|record| record.is_ours).count(), 120);
    assert_eq!(records.iter().filter(|record| !record.is_ours).count(), 10);
    assert!(!records.iter().any(|record| record.leg == CarrierId::of("1900000000000000002 1")));
    world.stop().await;
}
