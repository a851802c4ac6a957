//! Passwords: Argon2id, a few at a time, since each takes 19 MiB and a core.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// Computed at once.
const AT_ONCE: usize = 2;
/// Shorter ones are refused. NIST SP 800-63B asks for 15 where the password is the only factor, 8 at least.
pub(crate) const SHORTEST: usize = 10;
/// Longer ones are refused, so that nobody makes us hash a megabyte.
pub(crate) const LONGEST: usize = 200;

/// Hashes and checks passwords.
pub(crate) struct Passwords {
    turns: Semaphore,
    /// Checked against where there is no such user, so that the answer takes as long.
    nobody: String,
}

impl Passwords {
    pub(crate) fn new() -> Result<Self, String> {
        // Of a password that nobody knows, not even this program: the entropy is thrown away.
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).map_err(|error| error.to_string())?;
        let nobody = hash_bytes(&entropy)?;
        Ok(Self { turns: Semaphore::new(AT_ONCE), nobody })
    }

    /// The hash to keep, as a PHC string.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, String> {
        let _turn = self.turns.acquire().await.map_err(|error| error.to_string())?;
        blocking(move || hash_bytes(password.expose_secret().as_bytes())).await?
    }

    /// Whether this is the password of a hash; never of none.
    pub(crate) async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, String> {
        let _turn = self.turns.acquire().await.map_err(|error| error.to_string())?;
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let matches = blocking(move || {
            let parsed = PasswordHash::new(&hash).map_err(|error| error.to_string())?;
            Ok::<_, String>(Argon2::default().verify_password(password.expose_secret().as_bytes(), &parsed).is_ok())
        })
        .await??;
        Ok(matches && known)
    }
}

fn hash_bytes(password: &[u8]) -> Result<String, String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| error.to_string())?;
    let hash = Argon2::default().hash_password_with_salt(password, &salt).map_err(|error| error.to_string())?;
    Ok(hash.to_string())
}

/// A new password's hash, for the command line.
///
/// # Errors
/// If the operating system gives no random numbers.
pub fn hash_password(password: &SecretString) -> Result<String, String> {
    hash_bytes(password.expose_secret().as_bytes())
}

/// Why a new password is refused; none if it is not.
pub fn refuse_password(password: &SecretString) -> Option<String> {
    let length = password.expose_secret().chars().count();
    if length < SHORTEST {
        return Some(format!("has {length} characters: use {SHORTEST} or more; a few words make a good one"));
    }
    (length > LONGEST).then(|| format!("is longer than {LONGEST} characters"))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_somebody_fits() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse".into(), None).await.unwrap());
        assert!(refuse_password(&"short".into()).is_some() && refuse_password(&"ten letters".into()).is_none());
    }
}
