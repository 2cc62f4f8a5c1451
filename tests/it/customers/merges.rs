//! Two customers become one, and two again.

use anyhow::Result;
use serde_json::{Value, json};
use tests::world::World;

use super::{CUSTOMERS, call_from, create, path_of, text, timeline};

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_takes_everything_along_and_its_undo_gives_it_back() -> Result<()> {
    let world = World::start().await?;
    world.take_number().await?;
    let ann = json!({"external_id": "crm-ann", "name": "Ann", "phones": ["+12025550101"]});
    let ann = create(&world.api, ann).await?;
    let bob =
        json!({"external_id": "crm-bob", "name": "Bob", "phones": ["+12025550102"], "emails": ["b@x.test"]});
    let bob = create(&world.api, bob).await?;
    let (hers, his) =
        (call_from(&world, 1, "+12025550101").await?, call_from(&world, 2, "+12025550102").await?);
    let chat = world.api.post("/api/v1/conversations", json!({"customer_id": bob["id"]})).await?.data()?;
    let merge = |other: &Value| json!({"other_id": other["id"]});
    let (to_merge, to_undo) = (format!("{}/merge", path_of(&ann)), format!("{}/unmerge", path_of(&ann)));

    let nothing = world.api.post(&to_undo, merge(&bob)).await?;
    assert_eq!((nothing.status, nothing.code()), (409, "conflict"), "nothing to undo");
    let itself = world.api.post(&to_merge, merge(&ann)).await?;
    assert_eq!((itself.status, &itself.body["errors"][0]["field"]), (422, &json!("other_id")));

    let merged = world.api.post(&to_merge, merge(&bob)).await?.data()?;
    assert_eq!((text(&merged, "name"), &merged["emails"]), ("Ann", &json!(["b@x.test"])));
    assert_eq!(merged["phones"], json!(["+12025550101", "+12025550102"]));
    assert_eq!(
        (&merged["merged"][0]["id"], &merged["merged"][0]["external_id"]),
        (&bob["id"], &json!("crm-bob"))
    );
    assert_eq!(
        world.api.post(&to_merge, merge(&bob)).await?.data()?["version"],
        merged["version"],
        "no news"
    );
    let mut together = timeline(&world.api, &ann).await?;
    together.sort();
    let mut expected = vec![hers.clone(), his.clone(), text(&chat, "id").to_owned()];
    expected.sort();
    assert_eq!(together, expected);
    assert_eq!(timeline(&world.api, &bob).await?.len(), 3, "who was merged shows whom they have become");
    let call = world.api.get(&format!("/api/v1/calls/{his}")).await?.data()?;
    assert_eq!(call["customer_id"], ann["id"]);
    let listed = world.api.list_all(CUSTOMERS).await?;
    assert_eq!(listed.iter().map(|one| &one["id"]).collect::<Vec<_>>(), [&ann["id"]]);
    let found = world.api.list_all(&format!("{CUSTOMERS}?external_id=crm-bob")).await?;
    assert_eq!(found[0]["id"], ann["id"]);
    let gone = world.api.get(&path_of(&bob)).await?.data()?;
    assert_eq!(gone["merged_into"], ann["id"]);

    // who was merged does not change, and cannot be merged the other way round
    for (path, body) in [
        (format!("{}/merge", path_of(&bob)), merge(&ann)),
        (format!("{}/unmerge", path_of(&bob)), merge(&ann)),
    ] {
        let refused = world.api.post(&path, body).await?;
        assert_eq!((refused.status, refused.code()), (409, "conflict"), "{path}");
    }
    assert_eq!(world.api.patch(&path_of(&bob), None, json!({"name": "Rob"})).await?.status, 409);
    assert_eq!(world.api.send("DELETE", &path_of(&bob), &[], None).await?.status, 409);
    let taken = world.api.post(CUSTOMERS, json!({"external_id": "crm-bob"})).await?;
    assert_eq!(taken.code(), "external_id_taken", "it is kept for the undo");

    let undone = world.api.post(&to_undo, merge(&bob)).await?.data()?;
    for field in ["name", "phones", "emails", "external_id", "merged"] {
        assert_eq!(undone[field], ann[field], "{field}");
    }
    let back = world.api.get(&path_of(&bob)).await?.data()?;
    for field in ["name", "phones", "emails", "external_id", "merged_into"] {
        assert_eq!(back[field], bob[field], "{field}");
    }
    assert_eq!(timeline(&world.api, &ann).await?, [hers]);
    assert_eq!(timeline(&world.api, &bob).await?.len(), 2);
    assert_eq!(world.api.post(&to_undo, merge(&bob)).await?.code(), "conflict", "undone once");

    // a chain is followed, and deleted as a whole
    let cid = create(&world.api, json!({"name": "Cid"})).await?;
    assert_eq!(world.api.post(&format!("{}/merge", path_of(&bob)), merge(&cid)).await?.status, 200);
    assert_eq!(world.api.post(&to_merge, merge(&bob)).await?.status, 200);
    let named = world.api.post("/api/v1/conversations", json!({"customer_id": cid["id"]})).await?.data()?;
    assert_eq!(named["customer_id"], ann["id"], "a merged customer's id means whom they have become");
    assert_eq!(world.api.send("DELETE", &path_of(&ann), &[], None).await?.status, 204);
    for one in [&ann, &bob, &cid] {
        assert_eq!(world.api.get(&path_of(one)).await?.status, 404);
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_are_merged_into_each_other_at_once_do_not_vanish() -> Result<()> {
    let world = World::start().await?;
    for _ in 0..5 {
        let (ann, bob) = (
            create(&world.api, json!({"name": "Ann"})).await?,
            create(&world.api, json!({"name": "Bob"})).await?,
        );
        let merge = async |one: &Value, other: &Value| {
            world.api.post(&format!("{}/merge", path_of(one)), json!({"other_id": other["id"]})).await
        };
        let (one, two) = tokio::join!(merge(&ann, &bob), merge(&bob, &ann));
        let (one, two) = (one?, two?);
        assert!([one.status, two.status].iter().all(|status| [200, 409].contains(status)), "{one:?} {two:?}");
        let (ann, bob) =
            (world.api.get(&path_of(&ann)).await?.data()?, world.api.get(&path_of(&bob)).await?.data()?);
        let both_gone = !ann["merged_into"].is_null() && !bob["merged_into"].is_null();
        assert!(!both_gone, "{ann} {bob}");
    }
    world.close().await?;
    Ok(())
}
