//! Passwords: Argon2id, on threads of their own, since each takes 19 MiB and a core.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

/// Threads that hash, each in a memory of its own, which it keeps: allocated anew for each password, it would be left in pieces.
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

/// What Argon2 works in.
type Memory = Vec<Block>;
type Work = Box<dyn FnOnce(&mut Memory) + Send>;

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
        let nobody = hash_bytes(&entropy, &mut Memory::new())?;
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
        let hashed = self.carry_out(move |memory| hash_bytes(password.expose_secret().as_bytes(), memory)).await?;
        hashed.map_err(HashError::Failed)
    }

    /// Whether this is the password of a hash; never of none.
    pub(crate) async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, HashError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let fits = move |memory: &mut Memory| verify_bytes(password.expose_secret().as_bytes(), &hash, memory);
        Ok(self.carry_out(fits).await?.map_err(HashError::Failed)? && known)
    }

    async fn carry_out<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let (sender, receiver) = oneshot::channel();
        let work: Work = Box::new(move |memory| {
            // A caller who has gone is not worked for.
            if !sender.is_closed() {
                let _ = sender.send(work(memory));
            }
        });
        self.queue.try_send(work).map_err(|_| HashError::Busy)?;
        receiver.await.map_err(|_| HashError::Failed("a password could not be hashed".to_owned()))
    }
}

/// Works until the queue's other end is gone.
fn work_off(queue: &Mutex<Receiver<Work>>) {
    let mut memory = Memory::new();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(work) = next else { return };
        // A panic costs its caller the answer, not everybody the thread.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&mut memory)));
    }
}

fn hash_bytes(password: &[u8], memory: &mut Memory) -> Result<String, String> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| error.to_string())?;
    let argon2 = Argon2::default();
    let output = compute(&argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN, memory)?;
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::default().into()),
        params: ParamsString::try_from(argon2.params()).map_err(|error| error.to_string())?,
        salt: Some(Salt::new(&salt).map_err(|error| error.to_string())?),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

fn verify_bytes(password: &[u8], hash: &str, memory: &mut Memory) -> Result<bool, String> {
    let hash = PasswordHash::new(hash).map_err(|error| error.to_string())?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).map_err(|error| error.to_string())?;
    let version = hash.version.map(Version::try_from).transpose().map_err(|error| error.to_string())?;
    let params = Params::try_from(&hash).map_err(|error| error.to_string())?;
    let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
        return Err("a stored password hash lacks its salt or its output".to_owned());
    };
    let argon2 = Argon2::new(algorithm, version.unwrap_or_default(), params);
    // Outputs are compared in constant time.
    Ok(compute(&argon2, password, &salt, expected.len(), memory)? == expected)
}

fn compute(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    length: usize,
    memory: &mut Memory,
) -> Result<Output, String> {
    memory.resize(argon2.params().block_count(), Block::default());
    let mut output = vec![0; length];
    let computed = argon2.hash_password_into_with_memory(password, salt, &mut output, memory);
    computed.map_err(|error| error.to_string())?;
    Output::new(&output).map_err(|error| error.to_string())
}

/// A new password's hash, for the command line.
///
/// # Errors
/// If the operating system gives no random numbers.
pub fn hash_password(password: &SecretString) -> Result<String, String> {
    hash_bytes(password.expose_secret().as_bytes(), &mut Memory::new())
}

/// Why a new password is refused; none if it is not.
pub fn refuse_password(password: &SecretString) -> Option<String> {
    let length = password.expose_secret().chars().count();
    if length < SHORTEST {
        return Some(format!("Use at least {SHORTEST} characters. A short phrase works well"));
    }
    (length > LONGEST).then(|| format!("Use at most {LONGEST} characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_somebody_fits() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        // Others' implementations agree.
        let stock = argon2::PasswordVerifier::verify_password(&Argon2::default(), b"correct horse", hash.as_str());
        assert!(stock.is_ok());
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
            move |_: &mut Memory| {
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
