//! Where a dump goes, and how it gets there: beside the target, under its name, or into it.

use domain::Warning;

use super::super::Postgres;
use super::super::contents;
use super::super::definition::Definition;
use super::super::disposal::drop_unfinished;
use super::super::passing::{self, Keeper, Number, Purpose};
use super::super::probe;
use super::PostgresRestore;
use super::command::{self, Role};
use super::swap::certain;
use super::target::Target;
use crate::error::{self, Error, Kind};
use crate::{Contents as Found, OnError, RestoreOptions};

/// Where the dump goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A new database of this name, which gets the target's name at the end.
    Beside(String),
    /// A new database that has the target's name from the start. What was there has this name meanwhile.
    OwnName { aside: Option<String> },
    /// The target, which is empty.
    Direct { one_transaction: bool },
}

pub(super) fn choose_place(
    source: &Postgres,
    found: Found,
    options: RestoreOptions,
    role: Role,
    number: Number,
) -> Result<Place, Error> {
    let database = &*source.named_database()?;
    match (found, role.can_create_databases) {
        (Found::Empty, can_create) if options.in_place || !can_create || !role.owns_target => {
            Ok(Place::Direct { one_transaction: true })
        }
        (_, false) => Err(Error::failed(format!("could not restore database '{database}'"), "this role may not create databases, and only an empty database can be filled without that"
                ).cure("Give the role CREATEDB (ALTER ROLE ... CREATEDB), or restore into an existing empty database"
                    )),
        (_, true) if !role.owns_target => Err(Error::failed(format!("could not restore database '{database}'"), "the database belongs to another role, and only its owner can replace it").cure(source.with_role(&format!(
                "Restore as its owner or a superuser, or under another name; or run as a superuser: ALTER DATABASE {} OWNER TO <role>",
                probe::identifier(database)
            )))),
        (_, true) if options.in_place => {
            let aside = (found != Found::Absent).then(|| number.name(database, Purpose::Aside));
            Ok(Place::OwnName { aside })
        }
        (_, true) => Ok(Place::Beside(number.name(database, Purpose::Restore))),
    }
}

impl PostgresRestore {
    /// Creates the database that is loaded into, unless it is the target itself.
    pub(super) async fn make_place(&mut self) -> Result<(), Error> {
        match self.place.clone() {
            Place::Direct { .. } => {
                // Without one transaction, what is loaded stays: nothing begins that is not wanted any more.
                self.guard.check().await?;
                let fits =
                    command::fits_one_transaction(&self.target.source, &self.target.database, self.archive.contents());
                let one_transaction = self.options.on_error == OnError::Stop && fits.await?;
                self.place = Place::Direct { one_transaction };
            }
            Place::Beside(name) => {
                self.keeper = Some(Keeper::hold(&self.target.source, self.number).await?);
                self.create(&name).await?;
            }
            Place::OwnName { aside } => {
                self.keeper = Some(Keeper::hold(&self.target.source, self.number).await?);
                let new = self.number.name(&self.target.database, Purpose::Restore);
                self.create(&new).await?;
                self.target.take_place(&new, aside.as_deref(), self.number, &*self.guard).await?;
            }
        }
        Ok(())
    }

    async fn create(&mut self, name: &str) -> Result<(), Error> {
        let warnings = self.target.create(name, &Definition::of(self.archive.contents())).await?;
        self.warnings.extend(warnings);
        Ok(())
    }

    /// Gives the loaded database its place. The error comes with everything kept.
    pub(super) async fn put_in_place(&mut self) -> Result<Vec<Warning>, Error> {
        let definition = Definition::of(self.archive.contents());
        let loaded = self.loaded_into().to_owned();
        let exists = self.found != Found::Absent;
        let mut warnings = self.target.dress(&loaded, &definition, self.options.no_owner, exists, &*self.guard).await;
        let place = self.place.clone();
        if !matches!(place, Place::OwnName { .. }) {
            warnings.extend(self.target.remark(&loaded, &definition, &*self.guard).await);
        }
        match place {
            Place::Direct { .. } => {
                // It is loaded, whatever this finds.
                let differences = self.target.differences(&definition).await.unwrap_or_else(|error| {
                    vec![Warning::new("locale", format!("the database's locale could not be compared: {error}"))]
                });
                warnings.extend(differences);
            }
            Place::OwnName { aside } => match self.target.keep_place(self.number, aside.as_deref(), &*self.guard).await
            {
                Ok(said) => {
                    warnings.extend(said);
                    warnings.extend(self.target.remark(&loaded, &definition, &*self.guard).await);
                }
                Err(error) if *error.kind() == Kind::Uncertain => return Err(error),
                Err(error) => {
                    self.undo().await?;
                    return Err(error);
                }
            },
            Place::Beside(name) => {
                // Nothing was swapped if that fails.
                let marked = self.target.mark_placing(&name).await.map_err(certain);
                let swapped = match marked {
                    Ok(()) => self.swap(&name).await,
                    Err(error) => Err(error),
                };
                match swapped {
                    Ok(said) => warnings.extend(said),
                    Err(error) if *error.kind() == Kind::Stopped => {
                        self.undo().await?;
                        return Err(error);
                    }
                    Err(error) if *error.kind() == Kind::Uncertain => return Err(error),
                    Err(error) => return Err(self.keep(&name, &error).await),
                }
            }
        }
        self.remove_superseded(&mut warnings).await;
        Ok(warnings)
    }

    /// Removes what earlier restores into this database left, who were killed before they could put it in its place.
    async fn remove_superseded(&mut self, warnings: &mut Vec<Warning>) {
        let Target { source, database, .. } = &self.target;
        for (name, said) in passing::remove_superseded(source, database).await.unwrap_or_default() {
            // That it was found is no news any more.
            self.warnings.retain(|warning| warning.subject.as_ref() != Some(&name));
            warnings.extend(said);
        }
    }

    async fn swap(&self, name: &str) -> Result<Vec<Warning>, Error> {
        // It may have been filled meanwhile.
        let found = contents::contents(&self.target.source, &self.target.database).await?;
        if found == Found::Data && !self.options.overwrite {
            return Err(Error::holds_data(format!("database '{}'", self.target.database)));
        }
        self.target.put_in_place(name, self.number, &*self.guard).await
    }

    async fn keep(&self, name: &str, error: &Error) -> Error {
        match self.target.keep(name, self.number).await {
            Ok(kept) => {
                error::kept(&self.target.database, &kept, error)
            }
            Err(unknown) if *unknown.kind() == Kind::Uncertain => {
                let database = &self.target.database;
                let kept = self.number.name(database, Purpose::Restored);
                Error::new(Kind::Uncertain, format!("'{database}' could not be replaced"), error.cause()).cure(format!(
                    "The restored database is complete and kept as '{name}' or '{kept}', which no restore removes. Put it in its \
                     place with dbackup restore --put-in-place"
                ))
            }
            Err(unmarked) => Error::failed(format!("'{}' could not be replaced: {error}", self.target.database), format!("the restored database is complete, but could not be marked as that: {unmarked}")).cure(format!(
                    "Rename it before another restore removes it, as its owner or a superuser: ALTER DATABASE {} RENAME TO ...",
                    probe::identifier(name)
                )),
        }
    }

    pub(super) async fn undo(&self) -> Result<(), Error> {
        let (source, database) = (&self.target.source, &self.target.database);
        match &self.place {
            Place::Direct { one_transaction: true } => Ok(()),
            Place::Direct { one_transaction: false } => {
                if self.archive.contents().entries.is_empty() {
                    return Ok(());
                }
                Err(Error::failed(
                    format!("database '{database}' was empty and is partly filled now"),
                    "it was filled directly, and not in one transaction",
                )
                .cure("Empty it (DROP OWNED, or drop and create it), then restore again"))
            }
            Place::Beside(name) => drop_unfinished(source, name)
                .await
                .map_err(|error| Error::failed(format!("could not drop the unfinished database '{name}'"), error)),
            Place::OwnName { .. } => match self.target.bring_back(self.number).await? {
                true => Ok(()),
                false => Err(Error::failed(
                    format!("could not bring back '{database}'"),
                    format!(
                        "there is another '{database}' now; what it was before is '{}'",
                        self.number.name(database, Purpose::Aside)
                    ),
                )),
            },
        }
    }
}
