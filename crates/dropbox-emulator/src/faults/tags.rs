//! Tags that faults can choose.

/// What a 401 can say: the tags of `AuthError`, and one that no client knows yet.
pub(super) const AUTH_TAGS: [&str; 9] = [
    "other",
    "invalid_access_token",
    "expired_access_token",
    "route_access_denied",
    "missing_scope",
    "user_suspended",
    "invalid_select_user",
    "invalid_select_admin",
    "of_next_year",
];

/// What a copy or a move can be refused with: the tags of `RelocationError` that carry nothing, `from_lookup` (which carries
/// `not_found`), and one that no client knows yet.
pub(super) const RELOCATION_TAGS: [&str; 12] = [
    "from_lookup",
    "cant_copy_shared_folder",
    "cant_nest_shared_folder",
    "cant_move_folder_into_itself",
    "too_many_files",
    "duplicated_or_nested_paths",
    "cant_transfer_ownership",
    "insufficient_quota",
    "internal_error",
    "cant_move_shared_folder",
    "too_many_write_operations",
    "of_next_year",
];

/// Finds a tag of a kind of fault; the error names those that there are.
pub(super) fn tag(name: &str, tags: &[&'static str], said: &str) -> Result<&'static str, String> {
    let found = tags.iter().copied().find(|known| *known == said);
    found.ok_or_else(|| format!("no {name} is tagged \"{said}\": there are {}", tags.join(", ")))
}
