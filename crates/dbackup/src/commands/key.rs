//! `dbackup key rotate`

use catalog::{KeySource, MasterKey};

use super::store::{Store, given_key};
use crate::cli::StoreArguments;
use crate::failure::{Failure, Outcome};
use crate::output;

pub(crate) async fn rotate(arguments: StoreArguments) -> Result<Outcome, Failure> {
    let store = Store::find(arguments)?;
    let catalog = store.open().await?;
    let new = match (&store.keys, given_key("NEW_ENCRYPTION_KEY")?) {
        (KeySource::Given(_), None) => {
            return Err(Failure::usage(
                "ENCRYPTION_KEY is in use: give the new key in NEW_ENCRYPTION_KEY (openssl rand -hex 32 makes one)",
            ));
        }
        (KeySource::Given(_), Some(new)) => new,
        (KeySource::File(_), Some(_)) => {
            return Err(Failure::usage(
                "the key is in a file, which gets a new one by itself: leave NEW_ENCRYPTION_KEY out",
            ));
        }
        (KeySource::File(_), None) => MasterKey::generate()?,
    };
    // On disk before anything is encrypted under it: whatever happens then, one of the two files fits.
    if let KeySource::File(file) = &store.keys {
        file.create_next(&new)?;
    }
    let count = catalog.rotate_key(&new).await?;
    catalog.close().await?;
    match &store.keys {
        KeySource::File(file) => {
            file.promote_next()?;
            output::note(&format!(
                "{count} secrets are encrypted under key {} now, in {}",
                new.id(),
                file.path().display()
            ));
        }
        KeySource::Given(_) => output::note(&format!(
            "{count} secrets are encrypted under key {} now: start the server with it as ENCRYPTION_KEY from now on",
            new.id()
        )),
    }
    Ok(Outcome::Succeeded)
}
