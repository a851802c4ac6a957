//! Downloading backups: a link that works once, for a minute, for whoever asked for it.

use adapter::destination::Download;
use axum::Json;
use axum::body::Body as AxumBody;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use catalog::{DownloadLink, NewDownloadLink, Token};
use domain::BackupName;
use domain::naming::SIDECAR_SUFFIX;
use futures_util::{Stream, stream};
use jiff::SignedDuration;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pipeline::Progress;
use pipeline::held::{Place, holding, place};
use runner::{OpenRequest, OpenedBackup};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::super::access::AuditDetail;
use super::super::caller::Caller;
use super::super::extract::{Body, Id};
use super::super::problem::Problem;
use super::super::time::Time;
use super::backups::{check_backup, check_exists};
use crate::app::App;
use crate::failure::Failure;
use crate::patience::Patience;

const VALID: SignedDuration = SignedDuration::from_secs(60);

/// Which backup, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DownloadInput {
    destination_id: String,
    /// As the list shows it; with `.meta.json` added and `raw` set, its sidecar.
    #[schema(min_length = 1, max_length = 2000)]
    path: String,
    /// As it is stored; otherwise decrypted and decompressed.
    #[serde(default)]
    raw: bool,
}

/// A link that works once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DownloadBegun {
    /// Relative to this server.
    url: String,
    expires_at: Time,
}

/// Makes a link to download a backup once.
#[utoipa::path(post, path = "/api/downloads", tag = "backups", request_body = DownloadInput, responses((status = 201, body = DownloadBegun)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<DownloadInput>,
) -> Result<(StatusCode, axum::Extension<AuditDetail>, Json<DownloadBegun>), Problem> {
    let DownloadInput { destination_id, path, raw } = input;
    let (user_id, now) = (&caller.user.id, app.now());
    app.limiters.downloads.check(user_id, now).map_err(|seconds| Problem::too_often("downloads", seconds))?;
    app.limiters.downloads.count(user_id, now);
    // A sidecar is as it is; there are no layers to take off.
    check_backup(path.strip_suffix(SIDECAR_SUFFIX).filter(|_| raw).unwrap_or(&path))?;
    app.gates.at_destination(&destination_id).await?;
    let destination = app.open_destination(&destination_id, Patience::Short).await?;
    check_exists(&*destination, &path).await?;
    let expires_at = app.now() + VALID;
    let detail = AuditDetail(format!("{path} of {}", destination.name()));
    let link = DownloadLink { user_id: caller.user.id, destination_id, path, raw, expires_at: expires_at.into() };
    let token = Token::new("")?;
    app.catalog.create_download_link(&NewDownloadLink { token: &token, link: &link }).await?;
    let url = format!("/api/downloads/{}", token.expose());
    Ok((StatusCode::CREATED, axum::Extension(detail), Json(DownloadBegun { url, expires_at: expires_at.into() })))
}

/// The bytes of a file.
pub(crate) struct Binary;

impl PartialSchema for Binary {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for Binary {}

/// Downloads a backup by its link, which is used up. The connection is broken off if the backup turns out not to be whole.
#[utoipa::path(get, path = "/api/downloads/{token}", tag = "backups", params(("token" = String, Path)),
    responses((status = 200, body = Binary, content_type = "application/octet-stream")))]
pub(crate) async fn download(State(app): State<App>, caller: Caller, Id(token): Id) -> Result<Response, Problem> {
    let link = app.catalog.take_download_link(&Token::shown(&token), &caller.user.id, app.now()).await?;
    let link = link.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "notFound",
            "this link has been used, is older than a minute, or is somebody else's: make a new one",
        )
    })?;
    app.gates.at_destination(&link.destination_id).await?;
    let (body, size) = if link.raw { raw(&app, &link).await? } else { (decoded(&app, &link).await?, None) };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Some(size) = size {
        headers.insert(CONTENT_LENGTH, size.into());
    }
    let name = utf8_percent_encode(&file_name(&link), NON_ALPHANUMERIC).to_string();
    let disposition = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{name}"));
    headers.insert(CONTENT_DISPOSITION, disposition.map_err(Problem::internal)?);
    Ok(response)
}

/// The stored name; without the endings of layers that are taken off.
fn file_name(link: &DownloadLink) -> String {
    let stored = link.path.rsplit('/').next().unwrap_or_default();
    match BackupName::parse(stored).filter(|_| !link.raw) {
        Some(name) => BackupName { compression: None, encrypted: false, ..name }.to_string(),
        None => stored.to_owned(),
    }
}

async fn raw(app: &App, link: &DownloadLink) -> Result<(AxumBody, Option<u64>), Failure> {
    let destination = app.open_destination(&link.destination_id, Patience::Long).await?;
    let download = destination.open(&link.path).await.map_err(Failure::Destination)?;
    let size = download.entry().size;
    Ok((AxumBody::from_stream(pieces(download, place())), Some(size)))
}

/// Reads a download while somebody takes its pieces. A read that hangs keeps the place after the client has gone.
fn pieces(download: Box<dyn Download>, place: Option<Place>) -> impl Stream<Item = Result<Bytes, adapter::Error>> {
    stream::try_unfold(download, move |mut download| {
        let place = place.clone();
        holding(place, async move { Ok(download.next().await?.map(|piece| (piece, download))) })
    })
}

async fn decoded(app: &App, link: &DownloadLink) -> Result<AxumBody, Failure> {
    let destination = app.open_destination(&link.destination_id, Patience::Long).await?;
    let identities = app.identities().await?;
    let request = OpenRequest { destination: &*destination, path: &link.path, identities };
    let opened = runner::open(request, &Progress::default()).await?;
    Ok(AxumBody::from_stream(stream::try_unfold(Some(opened), next_piece)))
}

/// The last piece comes only after everything was checked.
async fn next_piece(opened: Option<OpenedBackup>) -> Result<Option<(Bytes, Option<OpenedBackup>)>, runner::OpenError> {
    let Some(mut opened) = opened else { return Ok(None) };
    match opened.pieces.receive().await {
        Ok(Some(piece)) => Ok(Some((piece, Some(opened)))),
        Ok(None) | Err(_) => opened.finish().await.map(|_| None),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use async_trait::async_trait;
    use futures_util::StreamExt;

    use super::*;

    /// A file on a network file system whose server is gone.
    struct Hanging {
        entry: adapter::destination::Entry,
        begun: Option<tokio::sync::oneshot::Sender<()>>,
        end: Option<mpsc::Receiver<()>>,
    }

    #[async_trait]
    impl Download for Hanging {
        fn entry(&self) -> &adapter::destination::Entry {
            &self.entry
        }

        async fn next(&mut self) -> Result<Option<Bytes>, adapter::Error> {
            let (begun, end) = (self.begun.take(), self.end.take());
            let read = pipeline::held::blocking(move || {
                if let (Some(begun), Some(end)) = (begun, end) {
                    let _ = begun.send(());
                    let _ = end.recv();
                }
            });
            read.await.map(|()| None).map_err(|error| adapter::Error::missing(&error.to_string()))
        }
    }

    #[tokio::test]
    async fn a_read_that_hangs_keeps_its_place_after_the_client_has_gone() {
        let place: Place = Arc::new(());
        let ((begun, has_begun), (end, ended)) = (tokio::sync::oneshot::channel(), mpsc::sync_channel(1));
        let entry = adapter::destination::Entry { size: 1, ..adapter::destination::Entry::default() };
        let hanging = Hanging { entry, begun: Some(begun), end: Some(ended) };
        let mut body = Box::pin(pieces(Box::new(hanging), Some(Arc::clone(&place))));
        let client = tokio::spawn(async move { body.next().await });
        has_begun.await.unwrap();
        client.abort();
        let _ = client.await;
        assert_eq!(Arc::strong_count(&place), 2);
        end.send(()).unwrap();
        while Arc::strong_count(&place) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
