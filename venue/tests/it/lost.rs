//! What a restart does for connections that the end of the venue cut.

use gateway::acceptor::NoSecrets;
use gateway::network::Sockets;
use matcher::{InstrumentId, Side};
use venue::assembly::{Assembly, Outside};
use venue::ring::CELLS_MAX;
use venue::{Clock, Turned};

use crate::folder::Folder;
use crate::loopback::{config, start};
use crate::peer::Peer;

/// Sessions with orders; as many as would not have had room in a ring that only has it for one long request.
const SESSIONS: usize = 40;

#[test]
fn a_restart_cancels_for_every_session_however_many_there_are() {
    let folder = Folder::new();
    let mut config = config(&folder);
    let one = config.sessions[0].clone();
    config.sessions.clear();
    let names: Vec<&'static str> = (0..SESSIONS).map(|n| &*format!("CLIENT{n}").leak()).collect();
    for name in &names {
        let mut session = one.clone();
        session.comp_id = (*name).into();
        config.sessions.push(session);
    }
    let venue = start(&config);
    let mut peers = Vec::new();
    for name in names {
        let (mut peer, _) = Peer::log_on(venue.fix_addr(), name, 1);
        peer.order("rests", "1", "1", "20");
        peer.report();
        peers.push(peer);
    }
    venue.stop().unwrap();
    drop(peers);

    // As of now: what was configured then canceled nothing.
    for session in &mut config.sessions {
        session.cancel.on_disconnect = true;
        session.cancel.on_logout = true;
    }
    let opened = journal::open(&folder.journal()).unwrap();
    let outside = Outside {
        clock: Clock::Machine,
        border_clock: Clock::Machine,
        fix: Sockets::new(None, 8).unwrap(),
        feed: None,
        requests: None,
        glimpse: None,
        connections_max: 8,
        gateway_cells: CELLS_MAX,
        venue_cells: CELLS_MAX,
        feed_window: (1 << 16, 1 << 10),
        credentials: Box::new(NoSecrets),
        day_ended: None,
        shards: Vec::new(),
    };
    let Assembly { mut joined, mut preparer, .. } =
        Assembly::new(&config, opened, outside).unwrap_or_else(|error| panic!("{error}"));
    let rest = |joined: &venue::assembly::Joined<Sockets>| {
        let book = joined.core().engine().book(InstrumentId(0));
        book.map_or(0, |book| book.orders(Side::Buy).count())
    };
    assert_eq!(rest(&joined), SESSIONS);
    while joined.turns() != Turned::Idle {
        preparer.step().unwrap();
    }
    assert_eq!(rest(&joined), 0);
}
