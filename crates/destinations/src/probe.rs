//! The steps that every storage has in common: write a small file, read it back, delete it.

use bytes::Bytes;
use domain::naming::PARTIAL_PREFIX;
use domain::probe::Steps;

use crate::error::Error;
use crate::{Destination, put};

/// Bytes of the file that is written.
const SIZE: usize = 1024;

/// Writes, reads back and deletes a file that no listing shows. It is deleted whatever fails.
pub(crate) async fn write_read_delete(destination: &dyn Destination, steps: &mut Steps<'_>) {
    let mut content = [0; SIZE];
    let random = getrandom::fill(&mut content).map_err(|error| Error::failed("no randomness", error));
    let name: String = content[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let path = format!("{PARTIAL_PREFIX}test-{name}");
    let content = Bytes::copy_from_slice(&content);
    let written = steps
        .take("write", async {
            random?;
            put(destination, &path, content.clone()).await?;
            Ok::<_, Error>(((), Some(path.clone())))
        })
        .await;
    let read = steps.take("readBack", read_back(destination, &path, &content)).await;
    if written.is_some() && read.is_none() {
        // The failure is told already; this is only cleaning up.
        let _ = destination.delete(&path).await;
    }
    steps.take("delete", async { destination.delete(&path).await.map(|()| ((), None)) }).await;
}

async fn read_back(destination: &dyn Destination, path: &str, content: &Bytes) -> Result<((), Option<String>), Error> {
    let read = destination.read(path, SIZE as u64).await?;
    let hash = destination.stored_hash(path).await?;
    let mut hasher = hash.hasher();
    hasher.update(content);
    if read.as_deref() != Some(content) || hasher.finish() != hash {
        return Err(Error::failed(format!("could not read {path}"), "what comes back is not what was written"));
    }
    Ok(((), Some("same bytes, same hash".to_owned())))
}

/// The room that is left, in words.
pub(crate) async fn space(destination: &dyn Destination, steps: &mut Steps<'_>) {
    let space = async {
        let usage = destination.usage().await?;
        let detail = usage.map(|usage| match usage.free() {
            Some(free) => format!("{} free ({usage})", domain::size::human(free)),
            None => usage.to_string(),
        });
        match usage.and_then(crate::Usage::free) {
            Some(0) => Err(Error::Full { destination: destination.name(), usage }),
            _ => Ok(((), detail)),
        }
    };
    steps.take("space", space).await;
}
