//! Who may do what: roles of people, scopes of API tokens.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a request needs. An API token's scopes are a list of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// To see sources, destinations, jobs, runs and backups, without secrets and without the data in backups.
    View,
    /// To run and cancel jobs, to test, to read, copy, restore and delete backups.
    Operate,
    /// To change sources, destinations, profiles and jobs.
    Configure,
    /// To manage users and everybody's tokens, to read the audit log and to export keys.
    Administer,
}

impl Permission {
    /// All of them, the smallest first.
    pub const ALL: [Self; 4] = [Self::View, Self::Operate, Self::Configure, Self::Administer];

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Operate => "operate",
            Self::Configure => "configure",
            Self::Administer => "administer",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|permission| permission.as_str() == text);
        found.ok_or_else(|| format!("'{text}' is not a scope: view, operate, configure or administer"))
    }
}

/// A person's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Sees, runs, restores.
    Operator,
    /// Everything.
    Administrator,
}

impl Role {
    /// Whether the role includes the permission.
    pub fn allows(self, permission: Permission) -> bool {
        let highest = match self {
            Self::Viewer => Permission::View,
            Self::Operator => Permission::Operate,
            Self::Administrator => Permission::Administer,
        };
        permission <= highest
    }

    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Viewer, Self::Operator, Self::Administrator]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("'{text}' is not a role: viewer, operator or administrator"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_includes_the_smaller_ones() {
        let allowed = |role: Role| Permission::ALL.into_iter().filter(|&permission| role.allows(permission)).count();
        assert_eq!([Role::Viewer, Role::Operator, Role::Administrator].map(allowed), [1, 2, 4]);
        assert!(!Role::Operator.allows(Permission::Configure));
    }
}
