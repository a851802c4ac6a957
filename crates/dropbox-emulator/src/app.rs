//! What all connections share: the settings, the clock, the store, and the one account with everything in it.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::{Config, SCOPES};
use crate::failure::Failure;
use crate::faults::Faults;
use crate::http::shape::Shaper;
use crate::oauth::grants::Grants;
use crate::people::Person;
use crate::persist;
use crate::random;
use crate::records::Records;
use crate::sessions::Sessions;
use crate::store::{BlobStore, Content};
use crate::tree::Tree;
use crate::tree::path::View;
use crate::weather::Weather;

/// The emulator behind its listener.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) store: BlobStore,
    pub(crate) faults: Faults,
    pub(crate) records: Arc<Records>,
    /// The weather on the wires.
    pub(crate) shaper: Shaper,
    /// `https://127.0.0.1:8443`, known once the listener is bound.
    pub(crate) base_url: OnceLock<String>,
    /// Told of every change of the account.
    pub(crate) changed: Notify,
    weather: Mutex<Weather>,
    /// Held by the one that changes files or folders, if the weather lets that take time.
    namespace: tokio::sync::Mutex<()>,
    account: Mutex<Account>,
    /// The app's secret; `None` if the app was deleted.
    secret: Mutex<Option<String>>,
    state_file: Option<PathBuf>,
}

/// The account: everything that a restart with a state folder brings back.
#[derive(Serialize, Deserialize)]
pub(crate) struct Account {
    /// Files, folders, and old revisions.
    pub(crate) tree: Tree,
    /// Open upload sessions.
    pub(crate) sessions: Sessions,
    /// Who may do what.
    pub(crate) grants: Grants,
    /// The allowance in bytes.
    pub(crate) quota: u64,
    /// Temporary links by the last part of their address.
    pub(crate) links: HashMap<String, Link>,
    /// Results of jobs by their id.
    pub(crate) jobs: HashMap<String, Value>,
    /// How often the members have changed teams.
    #[serde(default)]
    pub(crate) team_changes: u32,
}

/// A temporary link.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) content: Content,
    pub(crate) expires: Timestamp,
}

impl App {
    /// Opens the state, or starts a new account, and makes the given refresh token good.
    pub(crate) fn open(config: Config) -> io::Result<App> {
        let store = BlobStore::open(config.store, config.state.as_deref())?;
        let state_file = config.state.as_ref().map(|folder| folder.join("account.json"));
        let clock = Clock::default();
        let kept = state_file.as_deref().map(|file| persist::load(file, &store)).transpose()?.flatten();
        let mut account = kept.unwrap_or_else(|| Account {
            tree: Tree::new(random::identifier()),
            sessions: Sessions::default(),
            grants: Grants::default(),
            quota: config.quota,
            links: HashMap::new(),
            jobs: HashMap::new(),
            team_changes: 0,
        });
        account.quota = config.quota;
        account.grants.add_ready_made(&config.refresh_token, &config.app_key, &SCOPES);
        if config.team_root {
            account.tree.ensure_folder(&format!("/{}", Person::Ada.name()));
        }
        let account = Mutex::new(account);
        let secret = Mutex::new(Some(config.app_secret.clone()));
        let (faults, records, shaper, base_url, changed, namespace) = Default::default();
        let weather = Mutex::default();
        let app = App {
            config,
            clock,
            store,
            faults,
            records,
            shaper,
            base_url,
            changed,
            weather,
            namespace,
            account,
            secret,
            state_file,
        };
        app.set_weather(app.config.weather);
        Ok(app)
    }

    /// The weather as it is now.
    pub(crate) fn weather(&self) -> Weather {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the weather, at once.
    pub(crate) fn set_weather(&self, weather: Weather) {
        *self.weather.lock().unwrap_or_else(PoisonError::into_inner) = weather;
        self.shaper.set(weather.connection, weather.total);
    }

    /// Locks the namespace for as long as the weather says that a change of it takes; the change is to be made before
    /// what this returns is dropped. Whoever comes meanwhile is refused.
    pub(crate) async fn lock_namespace(&self) -> Result<Option<tokio::sync::MutexGuard<'_, ()>>, Failure> {
        let takes = self.weather().commit;
        if takes.is_zero() {
            return Ok(None);
        }
        let refusal = Failure::RateLimited { reason: "too_many_write_operations", retry_after: None };
        let lock = self.namespace.try_lock().map_err(|_| refusal)?;
        tokio::time::sleep(takes).await;
        Ok(Some(lock))
    }

    /// Looks at the account.
    pub(crate) fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the account, and writes it down before anybody hears of it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Account) -> T) -> T {
        let mut account = self.account();
        let outcome = change(&mut account);
        if let Some(file) = &self.state_file
            && let Err(error) = persist::save(file, &account)
        {
            eprintln!("dropbox-emulator: cannot write {}: {error}", file.display());
        }
        self.changed.notify_waiters();
        outcome
    }

    /// The app's secret; `None` if the app was deleted.
    pub(crate) fn secret(&self) -> Option<String> {
        self.secret.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Resets the app's secret, or deletes the app.
    pub(crate) fn set_secret(&self, secret: Option<String>) {
        *self.secret.lock().unwrap_or_else(PoisonError::into_inner) = secret;
    }

    /// The namespace that a call without `Dropbox-API-Path-Root` sees.
    pub(crate) fn home(&self, person: Person) -> View {
        match person {
            Person::Ada if !self.config.team_root => View::root(),
            person => View::below(&format!("/{}", person.name())),
        }
    }

    /// The address that callers reach the emulator by.
    pub(crate) fn base_url(&self) -> &str {
        self.base_url.get().map_or("", String::as_str)
    }
}
