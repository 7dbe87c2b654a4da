//! The threads that publish what is traded, of each shard: its sockets, its loops, and who wakes them.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;

use gateway::network::Sockets;
use matcher::{Instrument, Timestamp};

use super::{FEED_EVENTS, Shared, StartError, listen, request_socket};
use crate::assembly::{FeedOutside, Published};
use crate::config::Config;
use crate::feed_thread::{FeedLoop, Multicast, session_name};
use crate::glimpse_thread::{self, GlimpseLoop};
use crate::reference::{self, Reference, ReferenceLoop};
use crate::threads::{Place, Sleeper, spawn};

/// Where a feed may be had, before anything of the venue is there.
pub(super) struct FeedDoor {
    soup: Option<mio::net::TcpListener>,
    glimpse: Option<mio::net::TcpListener>,
    reference: Option<mio::net::TcpListener>,
    requests: Option<UdpSocket>,
}

impl FeedDoor {
    /// Listens where `config` says.
    pub(super) fn open(config: &Config) -> Result<FeedDoor, StartError> {
        let door = |what, address: Option<SocketAddr>| match address {
            None => Ok(None),
            Some(address) => listen(what, address).map(Some),
        };
        let soup = config.soup.as_ref().map(|soup| soup.listen);
        let glimpse = config.glimpse.as_ref().map(|glimpse| glimpse.listen);
        Ok(FeedDoor {
            soup: door("ITCH over SoupBinTCP", soup)?,
            glimpse: door("GLIMPSE over SoupBinTCP", glimpse)?,
            reference: door("reference data", config.reference.and_then(|it| it.listen))?,
            requests: match config.mold.as_ref().and_then(|mold| mold.requests) {
                None => None,
                Some(address) => Some(request_socket(address)?),
            },
        })
    }

    /// What the loops listen on; reference data apart.
    pub(super) fn outside(
        self,
    ) -> Result<(FeedOutside<Sockets>, Option<mio::net::TcpListener>), StartError> {
        let FeedDoor { soup, glimpse, reference, requests } = self;
        let feed = if soup.is_some() || requests.is_some() {
            Some(Sockets::new(soup, FEED_EVENTS).map_err(kernel("the feed's poll"))?)
        } else {
            None
        };
        let glimpse = glimpse.map(|listener| Sockets::new(Some(listener), FEED_EVENTS));
        let glimpse = glimpse.transpose().map_err(kernel("the poll of GLIMPSE"))?;
        Ok((FeedOutside { feed, requests, glimpse }, reference))
    }
}

fn kernel(what: &'static str) -> impl Fn(std::io::Error) -> StartError {
    move |error| StartError::Kernel { what, error }
}

/// Writes reference data, if there is to be any, and serves it, if somebody may ask.
pub(super) fn reference_of(
    config: &Config,
    instruments: &[Instrument],
    began: Timestamp,
    listener: Option<mio::net::TcpListener>,
) -> Result<Option<ReferenceLoop>, StartError> {
    if config.reference.is_none() {
        return Ok(None);
    }
    let session = session_name(began);
    let session = String::from_utf8_lossy(&session);
    let written = Reference::write(config, instruments, &session, &reference::folder(config));
    let reference = written.map_err(kernel("the files of reference data"))?;
    let Some(listener) = listener else { return Ok(None) };
    let sockets = Sockets::new(Some(listener), FEED_EVENTS);
    let sockets = sockets.map_err(kernel("the poll of reference data"))?;
    Ok(Some(ReferenceLoop::new(sockets, reference)))
}

/// Where a feed is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FeedAddrs {
    pub(super) soup: Option<SocketAddr>,
    pub(super) requests: Option<SocketAddr>,
    pub(super) glimpse: Option<SocketAddr>,
    pub(super) reference: Option<SocketAddr>,
}

/// The loops of a feed, each with what wakes it, and with what stops it.
pub(super) struct FeedReady {
    feed: Option<(FeedLoop<Sockets>, Arc<Sleeper>, Arc<Sleeper>)>,
    multicast: Option<(Multicast, Arc<Sleeper>)>,
    glimpse: Option<(GlimpseLoop<Sockets>, Arc<Sleeper>)>,
    reference: Option<(ReferenceLoop, Arc<Sleeper>)>,
}

impl FeedReady {
    /// Adds those that read the journal to `wake`.
    pub(super) fn new(
        published: Published<Sockets>,
        reference: Option<ReferenceLoop>,
        wake: &mut Vec<Arc<Sleeper>>,
    ) -> Result<FeedReady, StartError> {
        let Published { feed, multicast, glimpse, .. } = published;
        let waker = || kernel("a waker");
        let reference = match reference {
            None => None,
            Some(read) => {
                let stop = read.sleeper().map_err(waker())?;
                Some((read, stop))
            }
        };
        let feed = match feed {
            None => None,
            Some(feed) => {
                feed.join_requests().map_err(kernel("the feed's poll"))?;
                let sleeper = feed.sleeper().map_err(waker())?;
                wake.push(Arc::clone(&sleeper));
                Some((feed, sleeper.other(), sleeper))
            }
        };
        let glimpse = match glimpse {
            None => None,
            Some(glimpse) => {
                let stop = glimpse.sleeper().map_err(waker())?;
                Some((glimpse, stop))
            }
        };
        let multicast = multicast.map(|multicast| {
            let sleeper = Sleeper::parked();
            wake.push(Arc::clone(&sleeper));
            (multicast, sleeper)
        });
        Ok(FeedReady { feed, multicast, glimpse, reference })
    }

    pub(super) fn addrs(&self) -> FeedAddrs {
        let feed = self.feed.as_ref().map(|(feed, ..)| feed);
        FeedAddrs {
            soup: feed.and_then(FeedLoop::soup_addr),
            requests: feed.and_then(FeedLoop::requests_addr),
            glimpse: self.glimpse.as_ref().and_then(|(glimpse, _)| glimpse.addr()),
            reference: self.reference.as_ref().and_then(|(reference, _)| reference.addr()),
        }
    }

    /// Puts each on a thread. Returns who is woken when the venue stops.
    pub(super) fn run(
        self,
        shared: &Shared,
        taken: &[usize],
        loops: &mut Vec<JoinHandle<()>>,
    ) -> Vec<Arc<Sleeper>> {
        let (mut stop, fate) = (Vec::new(), Arc::clone(&shared.fate));
        let place = || Place::new(None, taken);
        if let Some((reference, stopped)) = self.reference {
            stop.push(Arc::clone(&stopped));
            let (shared, thread_fate) = (shared.clone(), Arc::clone(&fate));
            loops.push(spawn("vesta-reference", place(), &fate, move || {
                // Of this thread alone: what readers cost the others feel little.
                let _ = rustix::process::setpriority_process(None, glimpse_thread::NICE);
                shared.run(|| reference.run(&thread_fate, &stopped));
            }));
        }
        if let Some((feed, stopped, me)) = self.feed {
            stop.push(Arc::clone(&stopped));
            let shared = shared.clone();
            loops.push(spawn("vesta-feed", place(), &fate, move || {
                shared.clone().run(|| shared.feed(feed, &me, &stopped));
            }));
        }
        if let Some((glimpse, stopped)) = self.glimpse {
            stop.push(Arc::clone(&stopped));
            let (shared, thread_fate) = (shared.clone(), Arc::clone(&fate));
            loops.push(spawn("vesta-glimpse", place(), &fate, move || {
                // Of this thread alone, as above.
                let _ = rustix::process::setpriority_process(None, glimpse_thread::NICE);
                shared.run(|| glimpse.run(&thread_fate, &stopped));
            }));
        }
        if let Some((multicast, me)) = self.multicast {
            let shared = shared.clone();
            loops.push(spawn("vesta-multicast", place(), &fate, move || {
                shared.clone().run(|| shared.multicast(multicast, &me));
            }));
        }
        stop
    }
}
