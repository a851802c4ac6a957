//! What a test can do to a file that Dropbox would not notice.

use dropbox_emulator::Config;
use serde_json::{Value, json};

use crate::api::Api;

#[tokio::test]
async fn damage_with_and_without_the_old_hash() {
    let api = Api::start(Config::default()).await;
    let control = api.control();
    let (_, file) = api.upload("files/upload", json!({ "path": "/Datei" }), "0123456789").await;
    control.corrupt("/datei", |bytes| bytes[3] ^= 1, true);
    let download = async || {
        let request = api.request("files/download").header("dropbox-api-arg", r#"{"path": "/Datei"}"#);
        let response = request.send().await.unwrap();
        let result: Value = serde_json::from_str(response.headers()["dropbox-api-result"].to_str().unwrap()).unwrap();
        (result, response.text().await.unwrap())
    };
    assert_eq!(download().await, (file.clone(), "0122456789".to_owned()));
    control.corrupt("/datei", |bytes| bytes.truncate(4), true);
    assert_eq!(download().await, (file.clone(), "0122".to_owned()));
    control.corrupt("/datei", |bytes| bytes.extend(b"!"), false);
    let (result, text) = download().await;
    assert_eq!((text.as_str(), &result["size"]), ("0122!", &json!(5)));
    assert_ne!(result["content_hash"], file["content_hash"]);

    control.write("/Neu/a", b"a");
    assert_eq!(control.read("/neu/A").unwrap(), b"a");
    assert_eq!(control.files()[1].path, "/Neu/a");
    control.remove("/neu");
    assert_eq!(control.files().len(), 1);
    control.set_quota(5);
    assert_eq!(
        api.upload("files/upload", json!({ "path": "/x" }), "x").await.1["error"]["reason"][".tag"],
        "insufficient_space"
    );
}
