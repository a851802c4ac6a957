//! The steps that every storage has in common: write a small file, read it back, delete it.

use bytes::Bytes;
use domain::naming::PARTIAL_PREFIX;
use domain::probe::Steps;
use pipeline::Digester;

use super::{Destination, Difference, Expected, Usage, put};
use crate::{Error, Kind};

/// Bytes of the file that is written.
const SIZE: usize = 1024;

/// Writes, reads back and deletes a file that no listing shows. It is deleted whatever fails.
pub async fn write_read_delete(destination: &dyn Destination, steps: &mut Steps<'_>) {
    let mut content = [0; SIZE];
    let random = getrandom::fill(&mut content).map_err(|error| Error::failed("no randomness", error));
    let name = base16ct::lower::encode_string(&content[..8]);
    let path = format!("{PARTIAL_PREFIX}test-{name}");
    let content = Bytes::copy_from_slice(&content);
    let written = steps
        .take("write", async {
            random?;
            put(destination, &path, content.clone()).await?;
            // The file's temporary name tells nobody anything.
            Ok::<_, Error>(((), None))
        })
        .await;
    let read = steps.take("readBack", read_back(destination, &path, &content)).await;
    if written.is_some() && read.is_none() {
        // The failure is told already; this is only cleaning up.
        let _ = destination.delete(&path, None).await;
    }
    steps.take("delete", async { destination.delete(&path, None).await.map(|()| ((), None)) }).await;
}

async fn read_back(destination: &dyn Destination, path: &str, content: &Bytes) -> Result<((), Option<String>), Error> {
    let read = destination.read(path, SIZE as u64).await?;
    let mut expected = expected(content);
    if let Some(algorithm) = destination.capabilities().own_hash {
        let mut hasher = (algorithm.start)();
        hasher.update(content);
        expected.hashes.insert(algorithm.name, hasher.finish());
    }
    let proof = destination.prove(path, &expected).await?;
    let altered = |cause: String| Error::new(Kind::Damaged, format!("could not read {path}"), cause);
    if read.as_deref() != Some(content) {
        return Err(altered("what comes back is not what was written".to_owned()));
    }
    let compared = proof.against(&expected).map_err(|Difference { what, .. }| {
        altered(format!("what comes back is not what was written: its {what} is another one"))
    })?;
    Ok(((), Some(if compared { "same bytes, same hash" } else { "same bytes, same size" }.to_owned())))
}

fn expected(content: &Bytes) -> Expected {
    let mut digester = Digester::default();
    digester.update(content);
    digester.finish().into()
}

/// Describes the remaining space.
pub async fn space(destination: &dyn Destination, steps: &mut Steps<'_>) {
    let space = async {
        let usage = destination.usage().await?;
        let detail = usage.map(|usage| match usage.free() {
            Some(free) => format!("{} free ({usage})", domain::size::human(free)),
            None => usage.to_string(),
        });
        match usage.and_then(Usage::free) {
            Some(0) => {
                let used = usage.map(|usage| format!(" ({usage})")).unwrap_or_default();
                let cause = format!("{} is full{used}", destination.name());
                Err(Error::new(Kind::Full, "no backup fits", cause).cure("Free space there or enlarge it."))
            }
            _ => Ok(((), detail)),
        }
    };
    steps.take("space", space).await;
}
