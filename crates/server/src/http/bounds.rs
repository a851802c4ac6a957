//! Keeps each operation within the limits of its class. A class that is full never keeps another one waiting.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::ACCEPT_RANGES;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use pipeline::held::Place;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinHandle};
use tracing::Instrument;

use super::caller::Caller;
use super::class::Class;
use super::export::Streamed;
use super::extract::read_ahead;
use super::problem::Problem;
use super::request_log::carried_on;
use crate::app::App;

/// A request waits so long for others of its class.
const WAIT: Duration = Duration::from_secs(5);
/// Users whose requests are counted; more are only kept while they have requests.
const MAX_IDLE_USERS: usize = 1000;

/// The requests at work, by class.
pub(crate) struct Gates {
    classes: HashMap<Class, Gate>,
    /// By class and destination.
    destinations: Mutex<HashMap<(Class, String), Arc<Semaphore>>>,
}

struct Gate {
    all: Arc<Semaphore>,
    users: Mutex<HashMap<String, Arc<Semaphore>>>,
}

tokio::task_local! {
    /// The place of the request at hand.
    static PERMIT: Arc<Permit>;
}

/// Returns the place of the request at hand, for work that goes on after its answer. `None` outside of a request.
pub(crate) fn permit() -> Option<Arc<Permit>> {
    PERMIT.try_with(Arc::clone).ok()
}

/// A request's place in its class. Given back when the last owner drops it.
pub(crate) struct Permit {
    class: Class,
    _all: OwnedSemaphorePermit,
    _user: OwnedSemaphorePermit,
    /// Its places at destinations, by their ids.
    destinations: Mutex<Vec<(String, OwnedSemaphorePermit)>>,
}

impl Permit {
    fn is_at(&self, destination: &str) -> bool {
        let places = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        places.iter().any(|(id, _)| id == destination)
    }
}

impl Default for Gates {
    fn default() -> Self {
        let gate =
            |class: Class| Gate { all: Arc::new(Semaphore::new(class.limits().at_once)), users: Mutex::default() };
        let classes = Class::ALL.into_iter().map(|class| (class, gate(class))).collect();
        Self { classes, destinations: Mutex::default() }
    }
}

impl Gates {
    /// Waits for a place, `wait` at most.
    async fn enter(&self, class: Class, user: &str, wait: Duration) -> Result<Arc<Permit>, Problem> {
        let Some(gate) = self.classes.get(&class) else { return Err(Problem::internal("a class without a gate")) };
        let own = gate.of_user(user, class.limits().per_user);
        let both = async {
            let user = own.acquire_owned().await.ok()?;
            let all = Arc::clone(&gate.all).acquire_owned().await.ok()?;
            Some(Permit { class, _all: all, _user: user, destinations: Mutex::default() })
        };
        match tokio::time::timeout(wait, both).await {
            Ok(Some(permit)) => Ok(Arc::new(permit)),
            _ => {
                tracing::warn!(?class, "too many requests of this class");
                Err(Problem::busy(format!("Too many requests wait for {}. Try again in a moment.", class.waits_for())))
            }
        }
    }
}

impl Gates {
    /// Waits for a place at a destination for the request at hand, which keeps it until its work ends: one destination that hangs
    /// does not take all places of a class, nor all of a user.
    ///
    /// # Errors
    /// The problem to answer with, if there is none in time.
    pub(crate) async fn at_destination(&self, id: &str) -> Result<(), Problem> {
        match permit() {
            Some(permit) => self.enter_destination(&permit, id, WAIT).await,
            None => Ok(()),
        }
    }

    async fn enter_destination(&self, permit: &Permit, id: &str, wait: Duration) -> Result<(), Problem> {
        if permit.is_at(id) {
            return Ok(());
        }
        match tokio::time::timeout(wait, self.of_destination(permit.class, id).acquire_owned()).await {
            Ok(Ok(place)) => {
                let mut places = permit.destinations.lock().unwrap_or_else(PoisonError::into_inner);
                places.push((id.to_owned(), place));
                Ok(())
            }
            _ => {
                tracing::warn!(class = ?permit.class, destination = id, "too many requests wait for this destination");
                let detail = "Too many requests wait for this destination. Check that it can be reached, and try again in a moment.";
                Err(Problem::busy(detail))
            }
        }
    }

    fn of_destination(&self, class: Class, id: &str) -> Arc<Semaphore> {
        let mut destinations = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        if destinations.len() >= MAX_IDLE_USERS {
            destinations.retain(|_, places| Arc::strong_count(places) > 1);
        }
        let places = || Arc::new(Semaphore::new(class.limits().per_destination()));
        Arc::clone(destinations.entry((class, id.to_owned())).or_insert_with(places))
    }
}

/// Returns the destination that a path is about.
fn destination_in(path: &str) -> Option<&str> {
    path.strip_prefix("/api/destinations/")?.split('/').next().filter(|id| !id.is_empty())
}

impl Gate {
    fn of_user(&self, user: &str, most: usize) -> Arc<Semaphore> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= MAX_IDLE_USERS && !users.contains_key(user) {
            users.retain(|_, own| Arc::strong_count(own) > 1);
        }
        Arc::clone(users.entry(user.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(most))))
    }
}

/// Keeps an operation within the limits of its class. The body is read first: clients that send it slowly hold no place.
///
/// The work goes on after its request was given up, unless its class ends it, and keeps its place until it ends. What hangs in the
/// operating system cannot be cancelled: it keeps the place in any case, so that it is not started again and again.
pub(crate) async fn keep(State((app, class)): State<(App, Class)>, request: Request, next: Next) -> Response {
    let limits = class.limits();
    let request = match read_ahead(request, limits.body, &app).await {
        Ok(request) => request,
        Err(problem) => return problem.into_response(),
    };
    let caller = request.extensions().get::<Caller>().cloned();
    let user =
        caller.as_ref().map_or_else(|| super::access::address_of(&app, &request), |caller| caller.user.id.clone());
    let permit = match app.gates.enter(class, &user, WAIT.min(app.config.slowest_request)).await {
        Ok(permit) => permit,
        Err(problem) => return problem.into_response(),
    };
    let credential = caller.map(|caller| (caller, request.headers().clone()));
    let destination = destination_in(request.uri().path()).filter(|_| class.is_at_destinations()).map(str::to_owned);
    let gates = app.clone();
    let place: Place = permit.clone();
    let work = PERMIT.scope(Arc::clone(&permit), async move {
        if let Some(id) = destination
            && let Err(problem) = gates.gates.at_destination(&id).await
        {
            return (problem.into_response(), permit);
        }
        (next.run(request).await, permit)
    });
    // Threads that hang own the place, too: the task may be dropped before they return.
    let work = pipeline::held::holding(Some(place), work);
    let work = Work { task: tokio::spawn(carried_on(work.in_current_span())), is_cancelled: class.is_cancelled() };
    let time = Duration::from_secs(limits.seconds).min(app.config.slowest_answer);
    match tokio::time::timeout(time, work).await {
        Ok(Ok((response, permit))) if class.streams() || response.extensions().get::<Streamed>().is_some() => {
            hold(app, class, response, permit, credential)
        }
        Ok(Ok((response, _))) => response,
        Ok(Err(error)) => Problem::internal(error).into_response(),
        Err(_) => {
            tracing::warn!(?class, seconds = time.as_secs(), "a request took too long");
            let detail = format!(
                "No answer within {} s while waiting for {}. Check that it can be reached, and try again.",
                time.as_secs(),
                class.waits_for()
            );
            Problem::busy(detail).into_response()
        }
    }
}

/// The work of a request. That of some classes ends with its request; what hangs on threads then keeps the place alone.
struct Work<T> {
    task: JoinHandle<T>,
    is_cancelled: bool,
}

impl<T> Future for Work<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(context)
    }
}

impl<T> Drop for Work<T> {
    fn drop(&mut self) {
        if self.is_cancelled {
            self.task.abort();
        }
    }
}

/// An answer that keeps its place until it has been sent, and ends with the credential that it was asked for with.
fn hold(
    app: App,
    class: Class,
    response: Response,
    permit: Arc<Permit>,
    credential: Option<(Caller, HeaderMap)>,
) -> Response {
    let (mut head, body) = response.into_parts();
    if class == Class::Download {
        // Its link works once: what breaks off is begun again.
        head.headers.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    }
    let ended = Box::pin(async move {
        match credential {
            Some((caller, headers)) => caller.ended(app, headers).await,
            None => std::future::pending().await,
        }
    });
    let pieces = stream::unfold(Some((body.into_data_stream(), ended, permit)), move |state| async move {
        let (mut pieces, mut ended, permit) = state?;
        tokio::select! {
            biased;
            // What is cut short must not look whole.
            () = &mut ended => matches!(class, Class::Download | Class::Catalog)
                .then(|| (Err(axum::Error::new("the session or token has ended")), None)),
            piece = pieces.next() => Some((piece?, Some((pieces, ended, permit)))),
        }
    });
    Response::from_parts(head, Body::from_stream(pieces))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::class::Limits;

    const NOW: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_full_class_and_a_greedy_user_hold_up_nobody_else() {
        let gates = Gates::default();
        let Limits { at_once, per_user, .. } = Class::Storage.limits();
        let mut held = Vec::new();
        for _ in 0..per_user {
            held.push(gates.enter(Class::Storage, "eve", NOW).await.unwrap());
        }
        assert!(gates.enter(Class::Storage, "eve", NOW).await.is_err());
        for number in 0..at_once - per_user {
            held.push(gates.enter(Class::Storage, &format!("user {}", number / per_user), NOW).await.unwrap());
        }
        let refused = gates.enter(Class::Storage, "anna", NOW).await.map(drop).unwrap_err();
        assert!(refused.detail.contains("destinations"), "{}", refused.detail);
        for class in Class::ALL.into_iter().filter(|&class| class != Class::Storage) {
            assert!(gates.enter(class, "eve", NOW).await.is_ok(), "{class:?}");
        }
        held.clear();
        assert!(gates.enter(Class::Storage, "eve", NOW).await.is_ok());
    }

    #[tokio::test]
    async fn a_destination_that_hangs_leaves_places_for_others() {
        let gates = Gates::default();
        for class in [Class::Storage, Class::Verify, Class::Test, Class::Preview, Class::Download] {
            let limits = class.limits();
            let mut held = Vec::new();
            // One user's requests at one destination never take all of the user's, whose others go on.
            for number in 0..limits.per_destination() {
                let permit = gates.enter(class, &format!("user {}", number / limits.per_user), NOW).await.unwrap();
                gates.enter_destination(&permit, "nfs", NOW).await.unwrap();
                gates.enter_destination(&permit, "nfs", NOW).await.unwrap();
                held.push(permit);
            }
            let other = gates.enter(class, "other", NOW).await.unwrap();
            let refused = gates.enter_destination(&other, "nfs", NOW).await.unwrap_err();
            assert!(refused.detail.contains("this destination"), "{}", refused.detail);
            gates.enter_destination(&other, "dropbox", NOW).await.unwrap();
            assert!(limits.per_destination() <= limits.at_once / 2, "{class:?}");
            held.clear();
            gates.enter_destination(&other, "nfs", NOW).await.unwrap();
        }
        assert_eq!(destination_in("/api/destinations/abc/backups"), Some("abc"));
        assert_eq!(destination_in("/api/destinations/"), None);
    }

    #[tokio::test]
    async fn a_test_keeps_its_place_after_its_reader_has_gone() {
        let gates = Gates::default();
        let free = || gates.classes[&Class::Test].all.available_permits();
        let all = free();
        let permit = gates.enter(Class::Test, "eve", NOW).await.unwrap();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let test = async {
            let test = |_| async move {
                let _ = ended.await;
            };
            crate::http::api::steps::answer_steps(&HeaderMap::new(), test).await
        };
        drop(PERMIT.scope(permit, test).await);
        assert_eq!(free(), all - 1);
        end.send(()).unwrap();
        while free() < all {
            tokio::task::yield_now().await;
        }
    }
}
