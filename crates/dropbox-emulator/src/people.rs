//! Who can sign in: two people, of whom the second is there to be picked where an app asks for another sign-in.

use serde::{Deserialize, Serialize};

/// A person with a Dropbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Person {
    /// Whose browser is signed in, and whose grant is ready from the start.
    #[default]
    Ada,
    /// Her files lie in a folder of her own of the same tree.
    Grace,
}

impl Person {
    /// Everybody.
    pub(crate) const ALL: [Person; 2] = [Person::Ada, Person::Grace];

    /// What the consent page calls the person in its form.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Person::Ada => "ada",
            Person::Grace => "grace",
        }
    }

    /// The person of that name in a form.
    pub(crate) fn find(key: &str) -> Option<Person> {
        Person::ALL.into_iter().find(|person| person.key() == key)
    }

    /// The given name.
    pub(crate) fn given_name(self) -> &'static str {
        match self {
            Person::Ada => "Ada",
            Person::Grace => "Grace",
        }
    }

    /// The surname.
    pub(crate) fn surname(self) -> &'static str {
        match self {
            Person::Ada => "Lovelace",
            Person::Grace => "Hopper",
        }
    }

    /// Both names.
    pub(crate) fn name(self) -> String {
        format!("{} {}", self.given_name(), self.surname())
    }

    /// The address.
    pub(crate) fn email(self) -> String {
        format!("{}@example.com", self.key())
    }

    /// The account's id; always 40 characters.
    pub(crate) fn account_id(self) -> &'static str {
        match self {
            Person::Ada => "dbid:AAEmulatedAccountOfAdaLovelace00001",
            Person::Grace => "dbid:AAEmulatedAccountOfGraceHopper00002",
        }
    }

    /// The number that the token endpoint gives.
    pub(crate) fn user_id(self) -> &'static str {
        match self {
            Person::Ada => "3001",
            Person::Grace => "3002",
        }
    }

    /// The person's own namespace; for an account without a team the only one.
    pub(crate) fn home_namespace(self) -> &'static str {
        match self {
            Person::Ada => "3001001",
            Person::Grace => "3002001",
        }
    }
}
