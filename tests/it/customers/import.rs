//! Customers come in as CSV.

use anyhow::Result;
use serde_json::{Value, json};
use tests::client::{Answer, Api};
use tests::world::World;

use super::{CUSTOMERS, text};

async fn import(api: &Api, csv: impl Into<Vec<u8>>) -> Result<Answer> {
    let path = format!("{CUSTOMERS}/import");
    api.send("POST", &path, &[("content-type", "text/csv; charset=utf-8")], Some(csv.into())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn good_lines_are_taken_bad_ones_are_named_and_a_second_time_nothing_is_new() -> Result<()> {
    let world = World::start().await?;
    let csv = "external_id;name;phone;email;metadata.plan;shoe size\r\n\
        c-1;Ann Übel;+12025550101;ann@x.test;gold;38\r\n\
        c-2;=cmd|'/c calc'!A1;0012025550102,+12025550103;;;\r\n\
        c-3;Bad Phone;12;;;\r\n\
        c-1;Twice;;;;\r\n\
        c-4;Bad Mail;;nobody;;\r\n\
        ;No Id;+12025550104;;;\r\n";
    let taken = import(&world.api, csv).await?;
    assert_eq!(taken.status, 200, "{}", taken.body);
    let taken = taken.data()?;
    assert_eq!((&taken["created"], &taken["rejected_count"]), (&json!(3), &json!(3)), "{taken}");
    let lines: Vec<_> = taken["rejected"].as_array().into_iter().flatten().map(|one| &one["line"]).collect();
    assert_eq!(lines, [&json!(4), &json!(5), &json!(6)]);
    assert_eq!(taken["ignored_columns"], json!(["shoe size"]));
    let ann = world.api.list_all(&format!("{CUSTOMERS}?external_id=c-1")).await?;
    assert_eq!((text(&ann[0], "name"), &ann[0]["metadata"]), ("Ann Übel", &json!({"plan": "gold"})));

    let again = import(&world.api, "external_id,name,phone\nc-1,,+12025550109\nc-2,,\n").await?.data()?;
    assert_eq!(
        (&again["updated"], &again["unchanged"], &again["created"]),
        (&json!(1), &json!(1), &json!(0))
    );
    let ann = world.api.list_all(&format!("{CUSTOMERS}?external_id=c-1")).await?;
    assert_eq!((text(&ann[0], "name"), &ann[0]["phones"]), ("Ann Übel", &json!(["+12025550109"])));

    for bad in ["", "no header,at all\n1,2\n", "name\n\0\n"] {
        let refused = import(&world.api, bad).await?;
        assert_eq!((refused.status, refused.code()), (422, "invalid_request"), "{bad:?}");
    }
    let long = "name\n".to_owned() + &"x\n".repeat(5_001);
    assert_eq!(import(&world.api, long).await?.status, 422);
    let large = "name\n".to_owned() + &"x".repeat(2 << 20);
    assert_eq!(import(&world.api, large).await?.status, 413);
    let json = world.api.post(&format!("{CUSTOMERS}/import"), json!({})).await?;
    assert_eq!(json.status, 415);
    assert_ne!(world.api.list_all(CUSTOMERS).await?, [] as [Value; 0]);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_customers_with_one_number_stay_correct_and_bounded() -> Result<()> {
    let world = World::start().await?;
    world.take_number().await?;
    for part in 0..2 {
        let lines = (0..5_000).map(|n| format!("shared-{part}-{n},+12025550177\n"));
        let taken = import(&world.api, "external_id,phone\n".to_owned() + &lines.collect::<String>()).await?;
        assert_eq!(taken.status, 200, "{}", taken.body);
        assert_eq!(taken.data()?["created"], 5_000);
    }
    let call = super::call_from(&world, 1, "+12025550177").await?;
    let call = world.api.get(&format!("/api/v1/calls/{call}")).await?.data()?;
    assert_eq!(call["customer_id"], Value::Null);
    let page = world.api.get(&format!("{CUSTOMERS}?phone=%2B12025550177&limit=3&include_total=true")).await?;
    assert_eq!(
        (&page.body["meta"]["total"], page.body["meta"]["has_more"].as_bool()),
        (&json!(10_000), Some(true))
    );
    let one = &page.body["data"][0];
    let shown = world.api.get(&format!("{CUSTOMERS}/{}/timeline", text(one, "id"))).await?;
    assert_eq!(shown.body["meta"]["shared_phones"], json!(["+12025550177"]));
    assert_eq!(shown.body["data"], json!([]));
    world.close().await?;
    Ok(())
}
