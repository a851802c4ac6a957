//! The account behind the grant, and its space.

use serde::Deserialize;

use crate::client::Client;
use crate::error::{Error, UnspecifiedError};
use crate::lenient;

/// The account (users/get_current_account), as far as it is used.
#[derive(Debug, Clone, Deserialize)]
pub struct Account {
    /// Stable id of 40 characters.
    pub account_id: String,
    /// Its owner's name.
    pub name: Name,
    /// Its owner's address.
    pub email: String,
    /// The team, if it belongs to one.
    #[serde(default)]
    pub team: Option<Team>,
    /// The account's namespaces.
    pub root_info: RootInfo,
}

/// An account's namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RootInfo {
    /// Of the whole space: the team's, if the account has one.
    pub root_namespace_id: String,
    /// Of the member's own folder; the same as the root where there is no team space.
    pub home_namespace_id: String,
    /// The path of the member's own folder in the team's space. `None` where there is no team space.
    #[serde(default)]
    pub home_path: Option<String>,
}

impl RootInfo {
    /// Whether there is a team space besides the member's own folder.
    pub fn has_team_space(&self) -> bool {
        self.root_namespace_id != self.home_namespace_id
    }

    /// Returns the team space's namespace, for [`crate::Settings::team_root`].
    pub fn team_root(self) -> Option<String> {
        self.has_team_space().then_some(self.root_namespace_id)
    }
}

/// A person's name.
#[derive(Debug, Clone, Deserialize)]
pub struct Name {
    /// As Dropbox shows it.
    pub display_name: String,
}

/// A team.
#[derive(Debug, Clone, Deserialize)]
pub struct Team {
    /// As Dropbox shows it.
    pub name: String,
}

/// Space in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceUsage {
    /// In use.
    pub used: u64,
    /// Allowed; none if there is no limit.
    pub allowed: Option<u64>,
}

#[derive(Deserialize)]
struct RawUsage {
    #[serde(deserialize_with = "lenient::number")]
    used: u64,
    allocation: Allocation,
}

#[derive(Deserialize)]
#[serde(tag = ".tag", rename_all = "snake_case")]
enum Allocation {
    Individual {
        #[serde(deserialize_with = "lenient::number")]
        allocated: u64,
    },
    Team {
        #[serde(deserialize_with = "lenient::number")]
        used: u64,
        #[serde(deserialize_with = "lenient::number")]
        allocated: u64,
        /// 0 means: no limit of one's own.
        #[serde(default, deserialize_with = "lenient::number")]
        user_within_team_space_allocated: u64,
    },
    #[serde(other)]
    Other,
}

impl RawUsage {
    /// A team member is bound by the team's limit and possibly one of his own: the one with less room counts.
    fn narrowest(self) -> SpaceUsage {
        match self.allocation {
            Allocation::Individual { allocated } => SpaceUsage { used: self.used, allowed: Some(allocated) },
            Allocation::Team { used, allocated, user_within_team_space_allocated: own } => {
                let team = SpaceUsage { used, allowed: Some(allocated) };
                let personal = SpaceUsage { used: self.used, allowed: Some(own) };
                let personal_is_narrower = own > 0 && own.saturating_sub(self.used) < allocated.saturating_sub(used);
                if personal_is_narrower { personal } else { team }
            }
            Allocation::Other => SpaceUsage { used: self.used, allowed: None },
        }
    }
}

impl Client {
    /// The account that the grant belongs to. Needs `account_info.read`.
    ///
    /// # Errors
    /// As every call.
    pub async fn account(&self) -> Result<Account, Error> {
        self.rpc::<_, _, UnspecifiedError>("users/get_current_account", &()).await
    }

    /// The space that limits the next upload: the account's own, or its team's. Needs `account_info.read`.
    ///
    /// # Errors
    /// As every call.
    pub async fn space_usage(&self) -> Result<SpaceUsage, Error> {
        let raw: RawUsage = self.rpc::<_, _, UnspecifiedError>("users/get_space_usage", &()).await?;
        Ok(raw.narrowest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> SpaceUsage {
        serde_json::from_str::<RawUsage>(json).unwrap().narrowest()
    }

    #[test]
    fn the_narrower_limit_counts() {
        let individual = usage(r#"{"used":5,"allocation":{".tag":"individual","allocated":10}}"#);
        assert_eq!(individual, SpaceUsage { used: 5, allowed: Some(10) });
        let team = r#"{"used":5,"allocation":{".tag":"team","used":50,"allocated":100,"user_within_team_space_allocated":OWN}}"#;
        assert_eq!(usage(&team.replace("OWN", "0")), SpaceUsage { used: 50, allowed: Some(100) });
        assert_eq!(usage(&team.replace("OWN", "8")), SpaceUsage { used: 5, allowed: Some(8) });
        assert_eq!(usage(&team.replace("OWN", "80")), SpaceUsage { used: 50, allowed: Some(100) });
        assert_eq!(usage(r#"{"used":"5","allocation":{".tag":"new"}}"#).allowed, None);
        assert_eq!(usage(r#"{"used":5,"allocation":{".tag":"individual","allocated":"10"}}"#), individual);
    }
}
