//! Files that nobody else should be able to read.

use catalog::KeySource;
use pipeline::secret_file::exposed;

use crate::config::Config;

/// The group and others.
const GROUP_AND_OTHERS: u32 = 0o077;
/// Others: keys and secrets are often shared with a group on purpose.
const OTHERS: u32 = 0o007;

/// Warns of each key and secret that other users of the machine can read.
pub(crate) fn warn_of_readable(config: &Config) {
    let master = match &config.keys {
        KeySource::File(file) => Some((file.path(), GROUP_AND_OTHERS)),
        KeySource::Given(_) => None,
    };
    let tls = config.tls.as_ref().map(|(_, key)| key);
    let first = config.first_administrator.as_ref();
    let of_first = first.into_iter().flat_map(|first| [Some(&first.password_file), first.token_file.as_ref()]);
    let given = tls.into_iter().chain(&config.secret_files).chain(of_first.flatten());
    for (path, whose) in master.into_iter().chain(given.map(|path| (path.clone(), OTHERS))) {
        if let Some(mode) = exposed(&path, whose) {
            tracing::warn!(
                file = %path.display(),
                mode = format!("{mode:04o}"),
                "other users of this machine can read this file, which holds a secret. Run chmod 600 on it; if they may have read it, \
                 replace the secret"
            );
        }
    }
}
