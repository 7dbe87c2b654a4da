//! TLS handshakes beside the loop: each takes a fraction of a millisecond, and nobody who trades waits for one.
//!
//! The loop takes a connection and counts it as any other; its socket is with this thread until the handshake is over,
//! and comes back ready to be read. A connection that is closed meanwhile is given up here too.
//!
//! ```text
//!   loop: accept, register ── socket ──▶ thread: shakes hands
//!   loop: is ready, reads  ◀── seat ──── thread: done, or why not
//! ```

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use rustls::ServerConfig;

use super::FIRST_PEER;
use super::tls::Tls;

/// The thread's own waker.
const WAKER: Token = Token(0);

/// Handshakes that are ready to go on, in one poll.
const EVENTS_MAX: usize = 64;

/// One connection's place between the loop and the thread.
type Seat = Arc<Mutex<Seated>>;

/// What is there.
enum Seated {
    /// It is being shaken hands with, or waits for that.
    Shaking,
    /// It is over: the socket, where a failure left it, is registered with the loop's poll and closed with this.
    Done { made: io::Result<Box<Tls>>, _socket: Option<TcpStream> },
    /// Somebody has taken what was there, or the connection was closed.
    Gone,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection whose handshake is not over, as the loop has it.
pub struct Shaking {
    seat: Seat,
    /// Until it is registered, with what is agreed on.
    socket: Option<(TcpStream, Arc<ServerConfig>)>,
}

impl Shaking {
    pub(super) fn new(socket: TcpStream, config: Arc<ServerConfig>) -> io::Result<Shaking> {
        socket.set_nodelay(true)?;
        Ok(Shaking { seat: Arc::new(Mutex::new(Seated::Shaking)), socket: Some((socket, config)) })
    }

    /// What came of it; [`ErrorKind::WouldBlock`] if nothing has yet.
    pub(super) fn take(&mut self) -> io::Result<Box<Tls>> {
        let mut seated = lock(&self.seat);
        if matches!(*seated, Seated::Shaking) {
            return Err(ErrorKind::WouldBlock.into());
        }
        match std::mem::replace(&mut *seated, Seated::Gone) {
            Seated::Done { made, .. } => made,
            Seated::Shaking | Seated::Gone => Err(ErrorKind::NotConnected.into()),
        }
    }
}

/// From the loop to the thread.
enum Word {
    /// Shake hands with it; it is that peer of the loop.
    Come(TcpStream, Arc<ServerConfig>, Seat, usize),
    /// It was closed.
    Go(Seat),
}

struct Between {
    words: Mutex<Vec<Word>>,
    waker: Waker,
    /// Peers of the loop whose handshake is over; how many is looked at in every round.
    done: Mutex<Vec<usize>>,
    done_count: AtomicUsize,
    /// The loop has ended.
    over: AtomicBool,
}

/// The loop's end.
pub(super) struct ToHandshakes(Arc<Between>);

impl ToHandshakes {
    /// The thread has it from now on.
    pub(super) fn register(&self, shaking: &mut Shaking, peer: usize) -> io::Result<()> {
        let Some((socket, config)) = shaking.socket.take() else { return Ok(()) };
        lock(&self.0.words).push(Word::Come(socket, config, Arc::clone(&shaking.seat), peer));
        self.0.waker.wake()
    }

    /// The connection is closed.
    pub(super) fn forget(&self, shaking: &mut Shaking) {
        let seated = std::mem::replace(&mut *lock(&shaking.seat), Seated::Gone);
        if matches!(seated, Seated::Shaking) {
            lock(&self.0.words).push(Word::Go(Arc::clone(&shaking.seat)));
            // Without it the socket is closed a little later.
            let _ = self.0.waker.wake();
        }
    }

    /// Peers whose handshake is over, since this was asked last.
    pub(super) fn done(&self, into: &mut Vec<usize>) {
        into.clear();
        if self.0.done_count.load(Ordering::Acquire) > 0 {
            let mut done = lock(&self.0.done);
            self.0.done_count.store(0, Ordering::Release);
            into.append(&mut done);
        }
    }
}

impl Drop for ToHandshakes {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Release);
        let _ = self.0.waker.wake();
    }
}

/// How TLS is spoken from now on: whoever has it can change that for connections to come.
#[derive(Clone)]
pub struct TlsInForce(Arc<Mutex<Arc<ServerConfig>>>);

impl TlsInForce {
    /// This, for now.
    #[must_use]
    pub fn new(config: Arc<ServerConfig>) -> TlsInForce {
        TlsInForce(Arc::new(Mutex::new(config)))
    }

    /// Connections that come from now on get this. Those that are open keep what they have.
    pub fn set(&self, config: Arc<ServerConfig>) {
        *lock(&self.0) = config;
    }

    pub(super) fn get(&self) -> Arc<ServerConfig> {
        Arc::clone(&lock(&self.0))
    }
}

/// The thread's end.
pub struct Handshakes {
    between: Arc<Between>,
    poll: Poll,
    /// That of the loop.
    registry: Registry,
    shaking: HashMap<usize, Hand>,
    next: usize,
}

struct Hand {
    tls: Box<Tls>,
    seat: Seat,
    peer: usize,
}

impl Handshakes {
    /// Both ends; `registry` is that of the loop's poll.
    pub(super) fn new(registry: Registry) -> io::Result<(ToHandshakes, Handshakes)> {
        let poll = Poll::new()?;
        let between = Arc::new(Between {
            words: Mutex::default(),
            waker: Waker::new(poll.registry(), WAKER)?,
            done: Mutex::default(),
            done_count: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        let (shaking, next) = (HashMap::new(), 1);
        let to = ToHandshakes(Arc::clone(&between));
        Ok((to, Handshakes { between, poll, registry, shaking, next }))
    }

    /// Shakes hands until the loop has ended.
    ///
    /// # Errors
    ///
    /// If the kernel's poll fails: nobody could connect any more.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            if self.between.over.load(Ordering::Acquire) {
                return Ok(());
            }
            for event in &events {
                if event.token() != WAKER {
                    self.go_on(event.token().0);
                }
            }
            let words = std::mem::take(&mut *lock(&self.between.words));
            for word in words {
                match word {
                    Word::Come(socket, config, seat, peer) => {
                        self.begin(socket, &config, seat, peer);
                    }
                    Word::Go(seat) => self.shaking.retain(|_, it| !Arc::ptr_eq(&it.seat, &seat)),
                }
            }
        }
    }

    fn begin(
        &mut self,
        mut socket: TcpStream,
        config: &Arc<ServerConfig>,
        seat: Seat,
        peer: usize,
    ) {
        if matches!(*lock(&seat), Seated::Gone) {
            return;
        }
        let token = self.next;
        self.next = self.next.wrapping_add(1).max(1);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut socket, Token(token), interest) {
            return self.end(&seat, peer, Err(error), Some(socket));
        }
        match Tls::new(socket, config) {
            // What is there to read or write is said next.
            Ok(tls) => drop(self.shaking.insert(token, Hand { tls: Box::new(tls), seat, peer })),
            Err(error) => self.end(&seat, peer, Err(error), None),
        }
    }

    fn go_on(&mut self, token: usize) {
        let Some(hand) = self.shaking.get_mut(&token) else { return };
        let over = hand.tls.shake();
        if matches!(over, Ok(false)) {
            return;
        }
        let Some(Hand { mut tls, seat, peer }) = self.shaking.remove(&token) else { return };
        // The loop registers nothing of its own: it may have been closed.
        let _ = self.poll.registry().deregister(&mut tls.socket);
        match over {
            Ok(_) => self.end(&seat, peer, Ok(tls), None),
            Err(error) => self.end(&seat, peer, Err(error), Some(tls.socket)),
        }
    }

    /// Gives it back to the loop, whose poll says so: a socket that is registered there is ready at least to be
    /// written to.
    fn end(
        &self,
        seat: &Seat,
        peer: usize,
        mut made: io::Result<Box<Tls>>,
        mut socket: Option<TcpStream>,
    ) {
        let mut seated = lock(seat);
        if matches!(*seated, Seated::Gone) {
            return;
        }
        lock(&self.between.done).push(peer);
        self.between.done_count.fetch_add(1, Ordering::Release);
        let of_made = made.as_mut().ok().map(|tls| &mut tls.socket);
        if let Some(tcp) = of_made.or(socket.as_mut()) {
            let interest = Interest::READABLE | Interest::WRITABLE;
            // Where the kernel has no room for it, it is closed when the time for a Logon is over.
            let _ = self.registry.register(tcp, Token(FIRST_PEER + peer), interest);
        }
        *seated = Seated::Done { made, _socket: socket };
    }
}
