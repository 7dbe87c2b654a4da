//! What the demo hears of the feed: the multicast, as anybody would, where a process of this machine can hear one.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use feed::receiver::Start;

use super::tape::Tape;
use crate::failure::Failure;
use crate::feed_client::{FeedClient, FeedTarget};
use crate::itch_conn::ItchConn;
use crate::own_venue::OwnVenue;

/// How long a packet of our own to a group of our own may take.
const ECHO: Duration = Duration::from_millis(500);

/// How long the end of the feed may take to be here once the venue has ended.
const END: Duration = Duration::from_secs(2);

/// A multicast group on the loopback that is this process's alone, if what is sent to it is heard.
pub(super) fn group() -> Option<SocketAddrV4> {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    // The block of organisations for themselves. Source: RFC 2365, 239.192.0.0/14.
    let group = Ipv4Addr::new(239, 192 | (high & 3), middle, low);
    let try_it = || {
        let receiver = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        receiver.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST)?;
        receiver.set_read_timeout(Some(ECHO))?;
        let group = SocketAddrV4::new(group, receiver.local_addr()?.port());
        // With an address of the interface, packets go out on it.
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        sender.set_multicast_loop_v4(true)?;
        sender.send_to(b"vesta", group)?;
        receiver.recv(&mut [0; 16])?;
        std::io::Result::Ok(group)
    };
    try_it().ok()
}

/// A subscriber.
#[allow(clippy::large_enum_variant)] // There is one of it.
pub(super) enum Subscriber {
    /// Of the multicast; what it has lost it asks for.
    Multicast(FeedClient),
    /// Of SoupBinTCP.
    Soup(ItchConn),
}

impl Subscriber {
    /// Begins with message 1.
    pub(super) fn open(own: &OwnVenue, group: Option<SocketAddrV4>) -> Result<Subscriber, Failure> {
        let Some(line_a) = group else {
            let soup = ItchConn::connect(own.soup_addr(), "", "", 1, Duration::ZERO);
            return soup.map(Subscriber::Soup).map_err(Failure::failed);
        };
        let target = FeedTarget {
            line_a,
            line_b: None,
            interface: Ipv4Addr::LOCALHOST,
            requests: own.requests_addr(),
            glimpse: None,
            login: (String::new(), String::new()),
        };
        FeedClient::starting(target, Start::Message(1))
            .map(Subscriber::Multicast)
            .map_err(Failure::failed)
    }

    /// Whether it is of the multicast.
    pub(super) const fn is_multicast(&self) -> bool {
        matches!(self, Subscriber::Multicast(_))
    }

    /// How it is heard.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Subscriber::Multicast(_) => "multicast",
            Subscriber::Soup(_) => "soup",
        }
    }

    /// Reads what is there.
    pub(super) fn poll(&mut self, tape: &mut Tape) -> Result<(), Failure> {
        match self {
            Subscriber::Multicast(client) => client
                .poll(Duration::ZERO, &mut |_, message| tape.message(message))
                .map_err(Failure::failed),
            Subscriber::Soup(conn) => {
                conn.poll(&mut |_, message| tape.message(message)).map_err(Failure::failed)
            }
        }
    }

    /// Reads what is left of it when the venue has ended. It says everything before it says that it is over.
    pub(super) fn end(&mut self, tape: &mut Tape) {
        match self {
            Subscriber::Multicast(client) => {
                let until = Instant::now() + END;
                while !client.receiver().is_complete() && Instant::now() < until {
                    let wait = Duration::from_millis(20);
                    if client.poll(wait, &mut |_, message| tape.message(message)).is_err() {
                        return;
                    }
                }
            }
            Subscriber::Soup(conn) => {
                while conn.poll(&mut |_, message| tape.message(message)).is_ok() {}
            }
        }
    }
}
