//! What the server keeps: its data folder, its database, its key.

use std::path::PathBuf;

use catalog::{Catalog, KeyFile, KeySource, Location, MasterKey};
use server::DataFolder;

use crate::cli::StoreArguments;
use crate::environment::{secret_variable, variable};
use crate::failure::Failure;

/// The metadata database, unless `DATABASE_URL` or `DATABASE_URL_FILE` names another.
pub(super) const DATABASE: &str = "dbackup.db";

/// Everything needed to open the catalog.
pub(super) struct Store {
    pub(super) data: DataFolder,
    pub(super) database: Location,
    pub(super) keys: KeySource,
}

impl Store {
    /// Locks the data folder: nobody else may be at work there.
    pub(super) fn find(arguments: StoreArguments) -> Result<Self, Failure> {
        let folder = folder_of(arguments)?;
        let data = DataFolder::open(&folder).map_err(Failure::Failed)?;
        let database = match secret_variable("DATABASE_URL")? {
            Some(url) => Location::parse(&url)?,
            None => Location::Sqlite(data.path().join(DATABASE)),
        };
        let keys = match given_key("ENCRYPTION_KEY")? {
            Some(key) => KeySource::Given(key),
            None => KeySource::File(KeyFile::new(data.path())),
        };
        Ok(Self { data, database, keys })
    }

    pub(super) async fn open(&self) -> Result<Catalog, Failure> {
        Ok(Catalog::open(&self.database, &self.keys).await?)
    }
}

/// A key from the environment, or from the file that it names.
pub(super) fn given_key(name: &str) -> Result<Option<MasterKey>, Failure> {
    let key = secret_variable(name)?.map(|text| MasterKey::parse(&text)).transpose();
    key.map_err(|error| Failure::usage(format!("{name}: {error}")))
}

/// Returns the data folder that is meant.
pub(super) fn folder_of(arguments: StoreArguments) -> Result<PathBuf, Failure> {
    arguments.data.map_or_else(default_folder, Ok)
}

fn default_folder() -> Result<PathBuf, Failure> {
    if let Some(folder) = variable("XDG_DATA_HOME")? {
        return Ok(PathBuf::from(folder).join("dbackup"));
    }
    let home = variable("HOME")?.ok_or_else(|| Failure::usage("say where the server's data lies: --data FOLDER"))?;
    Ok(PathBuf::from(home).join(".local/share/dbackup"))
}

impl From<catalog::Error> for Failure {
    fn from(error: catalog::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
