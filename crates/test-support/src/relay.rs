//! A TCP relay in front of a server that breaks one connection at a statement.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What becomes of the statement at which a connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The server carries it out, and its answer is lost.
    AnswerLost,
    /// The server never gets it, and the connection ends for it, too.
    StatementLost,
    /// The server gets it when [`Relay::deliver`] is called.
    Delayed,
}

/// Relays connections to a port of this machine, for as long as the process lives.
#[derive(Debug, Clone)]
pub struct Relay {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    rule: Option<Rule>,
    is_broken: bool,
    refuses: bool,
    delayed: Option<(TcpStream, Vec<u8>)>,
    /// Both ends of every connection.
    ends: Vec<TcpStream>,
}

#[derive(Debug, Clone)]
struct Rule {
    after: String,
    statement: String,
    fate: Fate,
    then_refuse: bool,
}

impl Relay {
    /// Starts to relay to a port.
    pub fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let accepting = relay.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                if accepting.state.lock().unwrap().refuses {
                    continue;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                accepting.relay(client, server);
            }
        });
        relay
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Breaks the next connection that sends `statement` at or after `after`.
    pub fn break_at(&self, after: &str, statement: &str, fate: Fate) {
        self.set(after, statement, fate, false);
    }

    /// As [`Self::break_at`]; all other connections end with it, and nobody can connect from then on, until [`Self::let_in`].
    pub fn break_for_good_at(&self, after: &str, statement: &str, fate: Fate) {
        self.set(after, statement, fate, true);
    }

    /// Returns whether it has broken a connection as it was told last.
    pub fn is_broken(&self) -> bool {
        self.state.lock().unwrap().is_broken
    }

    /// Lets clients connect again.
    pub fn let_in(&self) {
        self.state.lock().unwrap().refuses = false;
    }

    /// Delivers the statement that was delayed, as the last one of its session. It may have ended before.
    pub fn deliver(&self) {
        let (mut server, statement) = self.state.lock().unwrap().delayed.take().unwrap();
        let _ = server.write_all(&statement);
        let _ = server.shutdown(Shutdown::Write);
    }

    fn set(&self, after: &str, statement: &str, fate: Fate, then_refuse: bool) {
        let mut state = self.state.lock().unwrap();
        state.rule = Some(Rule { after: after.to_owned(), statement: statement.to_owned(), fate, then_refuse });
        state.is_broken = false;
    }

    fn relay(&self, client: TcpStream, server: TcpStream) {
        self.state.lock().unwrap().ends.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
        // Set before a statement whose answer is to be lost is sent on.
        let is_muted = Arc::new(Mutex::new(None));
        let (relay, muted) = (self.clone(), Arc::clone(&is_muted));
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut piece = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = from.read(&mut piece) {
                if let Some(rule) = muted.lock().unwrap().take() {
                    relay.note(&rule);
                    break;
                }
                if to.write_all(&piece[..read]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        });
        let relay = self.clone();
        std::thread::spawn(move || relay.send_on(client, server, &is_muted));
    }

    fn send_on(&self, mut client: TcpStream, mut server: TcpStream, muted: &Mutex<Option<Rule>>) {
        let mut piece = vec![0; 64 * 1024];
        let mut is_after = false;
        while let Ok(read @ 1..) = client.read(&mut piece) {
            let sent = &piece[..read];
            let rule = self.state.lock().unwrap().rule.clone();
            is_after |= rule.as_ref().is_some_and(|rule| holds(sent, &rule.after));
            let Some(rule) = rule.filter(|rule| is_after && holds(sent, &rule.statement)) else {
                if server.write_all(sent).is_err() {
                    break;
                }
                continue;
            };
            self.state.lock().unwrap().rule = None;
            match rule.fate {
                Fate::AnswerLost => {
                    *muted.lock().unwrap() = Some(rule);
                    let _ = server.write_all(sent);
                    continue;
                }
                Fate::StatementLost => self.note(&rule),
                Fate::Delayed => {
                    self.state.lock().unwrap().delayed = Some((server.try_clone().unwrap(), sent.to_vec()));
                    self.note(&rule);
                    let _ = client.shutdown(Shutdown::Both);
                    return;
                }
            }
            break;
        }
        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
    }

    fn note(&self, rule: &Rule) {
        let mut state = self.state.lock().unwrap();
        state.is_broken = true;
        state.refuses = rule.then_refuse;
        if rule.then_refuse {
            for end in state.ends.drain(..) {
                let _ = end.shutdown(Shutdown::Both);
            }
        }
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
