//! Journals as a venue makes them, and its configuration: FIX text, order entry, ring, turn.

use gateway::fix::Fields;
use gateway::order_entry::OrderEntry;
use journal::{Log, SEGMENT_BYTES_DEFAULT};
use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{MsgSeqNum, Side, TimeInForce};
use venue::replay::{Nobody, Replay};
use venue::{Config, Core, Turned};

use crate::orders::Operation;
use crate::rig::{Folder, Helpers};
use crate::text::{Texts, command, order_entry};

/// Cells of the ring: as many as the venue's own.
const CELLS: usize = 1 << 14;

const SESSIONS: u32 = 8;

/// The whole of `log`, through an engine that compares every event.
///
/// # Panics
///
/// If one differs.
#[must_use]
pub fn replay(log: &Log) -> Replay {
    let (mut replay, mut tail, limit) = (Replay::new(), log.tail(log.start()), log.committed());
    while let Some(frame) = tail.next(limit).expect("a frame") {
        replay.frame(&frame, &mut Nobody).expect("the same events");
    }
    replay
}

/// Orders beside the prices of the stream, with numbers after its own.
///
/// # Panics
///
/// If there are billions of commands.
#[must_use]
pub fn resting_order(commands: usize, n: u32) -> Operation {
    let first = u32::try_from(commands).expect("some millions") + 1;
    let (side, price) = match n % 2 {
        0 => (Side::Buy, 20_000 + n / 2 % 20_000),
        _ => (Side::Sell, 60_000 + n / 2 % 20_000),
    };
    let time_in_force = TimeInForce::Gtc;
    Operation::Enter { id: first + n, instrument: 0, side, price, qty: 10, time_in_force }
}

/// Appends operations as the gateway and the core do: FIX text, order entry, ring, turn.
pub struct Filler {
    texts: Texts,
    entry: OrderEntry,
}

impl Default for Filler {
    fn default() -> Filler {
        Filler::new()
    }
}

impl Filler {
    /// Has appended nothing yet.
    #[must_use]
    pub fn new() -> Filler {
        Filler { texts: Texts::new(SESSIONS), entry: order_entry(SESSIONS) }
    }

    /// Appends `operations` to the log in `folder`.
    ///
    /// # Panics
    ///
    /// If it cannot.
    pub fn fill(&mut self, folder: &Folder, operations: &[Operation]) {
        let opened = folder.open(SEGMENT_BYTES_DEFAULT);
        let replay = replay(&opened.log);
        let last = replay.place();
        let (mut ring, taken) = venue::ring::ring(CELLS);
        let mut core = Core::new(replay.into_engine(), opened.writer, vec![taken], last);
        let helpers = Helpers::start(opened.syncer, opened.preparer, None);
        let (mut bytes, mut fields) = (Vec::new(), Fields::new());
        let mut attachment = [0; ATTACHMENT_BYTES_MAX];
        for operation in operations {
            bytes.clear();
            let session = self.texts.write(operation, &mut bytes);
            let (command, len) =
                command(&mut self.entry, session, &bytes, &mut fields, &mut attachment);
            assert!(ring.push(session, MsgSeqNum::NONE, &command, &attachment[..len]));
            while core.turns(1) == Turned::NoRoom {
                std::thread::yield_now();
            }
            // Well above what makes the core refuse orders.
            while opened.log.committed().0 - opened.log.durable().0 > 64 << 20 {
                std::thread::yield_now();
            }
        }
        assert_eq!(core.refused_for_room(), 0);
        helpers.stop();
    }
}

/// A venue on `folder`, with the sessions and the instrument of the streams.
///
/// # Panics
///
/// Never: the text is good.
#[must_use]
pub fn config(folder: &Folder) -> Config {
    let mut text = String::from(
        "[venue]\ndurability = \"memory\"\n[journal]\nsnapshot_mib = 0\n\
         [limits]\norders = 1200000\n[fix]\nlisten = \"127.0.0.1:0\"\n\
         [itch.soup]\nlisten = \"127.0.0.1:0\"\n\
         [[instrument]]\nsymbol = \"VESTA\"\nprice_decimals = 2\ntick_size = \"0.01\"\n\
         qty_max = \"1000000\"\nprice_min = \"0.01\"\nprice_max = \"2000\"\n",
    );
    for session in 1..=SESSIONS {
        text += &format!("[[session]]\ncomp_id = \"CLIENT{session}\"\nparticipant = \"FIRM\"\n");
    }
    let mut config = Config::parse("bench", &text).expect("a configuration");
    config.journal_dir.clone_from(&folder.dir);
    config.live_dir = Some(folder.live_dir.clone());
    config
}
