//! Lists of runs: filtered, sorted, and what cannot be cancelled.

use serde_json::{Value, json};

use crate::world::{World, id};

fn ids(list: &Value) -> Vec<String> {
    list["items"].as_array().unwrap().iter().map(id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_listed_by_state_time_and_destination_in_either_order() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (database, source) = world.sqlite_source(&anna, "shop", 10).await;
    let (_, one) = world.folder_destination(&anna, "Disk").await;
    let (_, two) = world.folder_destination(&anna, "Other").await;
    let to_one = anna.job("shop", &source, &[&one], json!({})).await;
    let to_two = anna.job("blog", &source, &[&two], json!({})).await;
    let first = id(&world.run_job(&anna, &to_one).await);
    let second = id(&world.run_job(&anna, &to_two).await);
    std::fs::remove_file(&database).unwrap();
    let failed = anna.post(&format!("/api/jobs/{to_one}/run"), &json!({})).await.expect(202);
    let failed = anna.finished(&id(&failed)).await;
    assert_eq!(failed["state"], "failed", "{failed}");
    assert!(failed["code"].is_string(), "{failed}");
    let third = id(&failed);
    let list = async |query: String| ids(&anna.get(&format!("/api/runs?{query}")).await.expect(200));
    assert_eq!(list("state=failed&state=partial".to_owned()).await, std::slice::from_ref(&third));
    assert_eq!(
        list("state=failed,succeeded&sort=createdAt".to_owned()).await,
        [first.clone(), second.clone(), third.clone()]
    );
    assert_eq!(list(format!("destinationId={two}")).await, std::slice::from_ref(&second));
    assert_eq!(list(format!("destinationId={one}")).await, [third.clone(), first.clone()]);
    let all = anna.get("/api/runs").await.expect(200);
    let created = all["items"][2]["createdAt"].as_str().unwrap().to_owned();
    assert_eq!(list(format!("since={created}")).await.len(), 3);
    assert_eq!(list(format!("until={created}")).await, Vec::<String>::new());
    let page = anna.get("/api/runs?sort=createdAt&limit=2").await.expect(200);
    assert_eq!(ids(&page), [first.clone(), second.clone()]);
    let next = page["nextCursor"].as_str().unwrap();
    assert_eq!(list(format!("sort=createdAt&limit=2&cursor={next}")).await, std::slice::from_ref(&third));
    for wrong in ["since=yesterday", "sort=size", "state=odd", "state=failed&state=odd"] {
        anna.get(&format!("/api/runs?{wrong}")).await.expect(422);
    }
    let refused = anna.post(&format!("/api/runs/{first}/cancel"), &json!({})).await.expect(409);
    assert_eq!(refused["code"], "alreadyEnded");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_did_is_told_without_its_secrets() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let offsite = world.dropbox_destination(&anna, "Offsite").await;
    let job = anna.job("shop", &source, &[&offsite], json!({})).await;
    let run = id(&world.run_job(&anna, &job).await);
    // Later changes of the job concern the next run.
    anna.patch(&format!("/api/jobs/{job}"), &json!({"name": "renamed", "compression": "gzip:6"})).await.expect(200);
    let spec = anna.get(&format!("/api/runs/{run}/spec")).await.expect(200);
    assert_eq!((&spec["version"], &spec["kind"], &spec["plan"]["job"]), (&json!(1), &json!("backup"), &json!("shop")));
    assert_ne!(spec["plan"]["compression"], "gzip:6");
    let reference = json!({"destinationId": offsite, "field": "refreshToken"});
    assert_eq!(spec["plan"]["destinations"][0]["secrets"]["refreshToken"], reference);
    let names = spec["plan"]["destinations"][0]["secrets"].as_object().unwrap();
    assert!(names.values().all(|secret| secret["destinationId"] == *offsite && secret.as_object().unwrap().len() == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_and_a_copy_are_carried_out_from_a_recorded_plan_and_say_of_what_kind_their_result_is() {
    let world = World::new().await;
    let anna = world.administrator().await;
    let (_, source) = world.sqlite_source(&anna, "shop", 10).await;
    let offsite = world.dropbox_destination(&anna, "Offsite").await;
    let (_, disk) = world.folder_destination(&anna, "Disk").await;
    let profile = id(&anna.post("/api/profiles", &json!({"name": "company"})).await.expect(201));
    let job = anna.job("shop", &source, &[&offsite], json!({"profileId": profile})).await;
    let run = world.run_job(&anna, &job).await;
    assert_eq!(run["result"]["kind"], "backup", "{run}");
    let path = run["result"]["databases"][0]["copies"][0]["path"].clone();
    let spec_of = async |run: &Value| anna.get(&format!("/api/runs/{}/spec", id(run))).await.expect(200);
    let reference = json!({"destinationId": offsite, "field": "refreshToken"});

    let copy = json!({"destinationId": offsite, "path": path, "toDestinationId": disk});
    let copied = anna.finished(&id(&anna.post("/api/copies", &copy).await.expect(202))).await;
    let result = json!({"kind": "copy", "path": path, "destinationId": disk});
    assert_eq!((&copied["state"], &copied["result"]), (&json!("succeeded"), &result), "{copied}");
    let spec = spec_of(&copied).await;
    assert_eq!(spec["plan"]["from"]["secrets"]["refreshToken"], reference, "{spec}");
    assert_eq!((&spec["plan"]["to"]["id"], &spec["plan"]["to"]["settings"]["type"]), (&json!(disk), &json!("folder")));

    let other = world.path("other.db");
    let restore = json!({"destinationId": offsite, "path": path, "sourceId": source, "database": other});
    let restored = anna.finished(&id(&anna.post("/api/restores", &restore).await.expect(202))).await;
    assert_eq!(
        (&restored["state"], &restored["result"]["kind"]),
        (&json!("succeeded"), &json!("restore")),
        "{restored}"
    );
    let spec = spec_of(&restored).await;
    let plan = &spec["plan"];
    assert_eq!((&plan["destination"]["secrets"]["refreshToken"], &plan["jobEncrypts"]), (&reference, &json!(true)));
    assert_eq!(plan["identities"], json!([{"profileId": profile}]));
    assert_eq!((&plan["target"]["database"], &plan["target"]["source"]["id"]), (&json!(other), &json!(source)));
    assert!(!spec.to_string().contains("AGE-SECRET-KEY"), "{spec}");
    assert_eq!(
        anna.get(&format!("/api/runs?destinationId={disk}")).await.expect(200)["items"].as_array().unwrap().len(),
        1
    );
}
