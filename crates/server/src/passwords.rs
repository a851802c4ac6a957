//! Passwords: Argon2id, on threads of their own, since each takes 19 MiB and a core.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

/// Threads that hash. The memory of a hash comes from its thread's arena, so that it is bounded by their number.
pub(crate) const THREADS: usize = 2;
/// Maximum passwords that wait to be hashed; more are refused.
pub(crate) const MAX_WAITING: usize = 32;
/// Shorter ones are refused. NIST SP 800-63B asks for 15 where the password is the only factor, 8 at least.
pub(crate) const SHORTEST: usize = 10;
/// Longer ones are refused, so that nobody makes us hash a megabyte.
pub(crate) const LONGEST: usize = 200;

/// Why a password was neither hashed nor checked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HashError {
    /// Too many wait.
    #[error("too many passwords are being checked at once")]
    Busy,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

type Work = Box<dyn FnOnce() + Send>;

/// Hashes and checks passwords.
pub(crate) struct Passwords {
    queue: SyncSender<Work>,
    /// Checked against where there is no such user, so that the answer takes as long.
    nobody: String,
}

impl Passwords {
    pub(crate) fn new() -> Result<Self, String> {
        // Of a password that nobody knows, not even this program: the entropy is thrown away.
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).map_err(|error| error.to_string())?;
        let nobody = hash_bytes(&entropy)?;
        let (queue, work) = sync_channel(MAX_WAITING);
        let work = Arc::new(Mutex::new(work));
        for _ in 0..THREADS {
            let work = Arc::clone(&work);
            let thread = std::thread::Builder::new().name("passwords".to_owned());
            thread.spawn(move || work_off(&work)).map_err(|error| error.to_string())?;
        }
        Ok(Self { queue, nobody })
    }

    /// The hash to keep, as a PHC string.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, HashError> {
        let hashed = self.carry_out(move || hash_bytes(password.expose_secret().as_bytes())).await?;
        hashed.map_err(HashError::Failed)
    }

    /// Whether this is the password of a hash; never of none.
    pub(crate) async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, HashError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let matches = self.carry_out(move || {
            let parsed = PasswordHash::new(&hash).map_err(|error| error.to_string())?;
            Ok::<_, String>(Argon2::default().verify_password(password.expose_secret().as_bytes(), &parsed).is_ok())
        });
        Ok(matches.await?.map_err(HashError::Failed)? && known)
    }

    async fn carry_out<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, HashError> {
        let (sender, receiver) = oneshot::channel();
        let work: Work = Box::new(move || {
            // A caller who has gone is not worked for.
            if !sender.is_closed() {
                let _ = sender.send(work());
            }
        });
        self.queue.try_send(work).map_err(|_| HashError::Busy)?;
        receiver.await.map_err(|_| HashError::Failed("a password could not be hashed".to_owned()))
    }
}

/// Works until the queue's other end is gone.
fn work_off(queue: &Mutex<Receiver<Work>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else { return };
        // A panic costs its caller the answer, not everybody the thread.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
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

    /// Parallel sign-ins wait in a bounded queue, and the ones beyond it are told so at once.
    #[tokio::test]
    async fn what_waits_is_bounded() {
        let passwords = Passwords::new().unwrap();
        let (hold, held) = sync_channel::<()>(0);
        let held = Arc::new(Mutex::new(held));
        let block = || {
            let held = Arc::clone(&held);
            move || {
                let _ = held.lock().unwrap().recv();
            }
        };
        let mut waiting = futures_util::stream::FuturesUnordered::new();
        let mut refused = false;
        for _ in 0..THREADS + MAX_WAITING + 1 {
            let mut work = Box::pin(passwords.carry_out(block()));
            match futures_util::poll!(&mut work) {
                std::task::Poll::Ready(result) => refused = result == Err(HashError::Busy),
                std::task::Poll::Pending => waiting.push(work),
            }
        }
        assert!(refused && waiting.len() >= MAX_WAITING);
        drop(hold);
        while let Some(result) = futures_util::StreamExt::next(&mut waiting).await {
            assert_eq!(result, Ok(()));
        }
        assert!(!passwords.verify("any".into(), None).await.unwrap());
    }
}
