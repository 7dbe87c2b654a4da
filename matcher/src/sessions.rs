//! Sessions: their numbers, and which of their order numbers is which resting order.
//!
//! An order is found by index. A session's root has one entry for 64 numbers, which names a *page* of 64
//! orders and counts those that rest. Pages come from a pool and go back when their last order is gone,
//! all but the newest of a session, so the directory costs at most one page (268 bytes) per resting
//! order and one per session, 4.2 bytes an order where the numbers are close together, and an eighth of
//! a byte for each number used.
//!
//! Growth: the pool begins with room for `orders_max` / 48 pages and doubles up to `orders_max`; a root
//! doubles when a session goes past 2^18 numbers and takes 512 MiB at 2^32.

use std::collections::TryReserveError;
use std::mem;

use crate::command::{Permission, SelfTradePrevention};
use crate::orders::{Order, Orders};
use crate::pool::{Id, Pool, Pooled};
use crate::prefetch::prefetch;
use crate::types::{MsgSeqNum, OrderNumber, ParticipantId, SessionId};

const PAGE_ORDERS: usize = 64;

/// Entries that the root of a new session has room for: its first 2^18 order numbers.
const ROOT_RESERVED: usize = 4096;

/// Pages that there is room for at once, if so many are allowed.
const PAGES_RESERVED: u32 = 1024;

/// The counters of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionState {
    /// The firm it trades for.
    pub participant: ParticipantId,
    /// The highest inbound message number taken, or [`MsgSeqNum::NONE`].
    pub last_inbound: MsgSeqNum,
    /// The last number given to an outbound message, or [`MsgSeqNum::NONE`].
    pub last_outbound: MsgSeqNum,
    /// The last order number used up, or [`OrderNumber::NONE`].
    pub last_number: OrderNumber,
}

/// What the venue has set for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Sessions of one group are one owner; 0: the participant is.
    pub group: u32,
    /// What happens where two orders of one owner would trade.
    pub self_trade: SelfTradePrevention,
    /// What is permitted to the session itself; its participant, its group or an instrument may be
    /// permitted less.
    pub permission: Permission,
}

/// Orders of 64 adjacent numbers.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Page {
    orders: [Id<Order>; PAGE_ORDERS],
}

impl Pooled for Page {
    const EMPTY: Page = Page { orders: [Id::NONE; PAGE_ORDERS] };

    fn link(&self) -> u32 {
        self.orders[0].raw()
    }

    fn set_link(&mut self, link: u32) {
        self.orders[0] = Id::from_raw(link);
    }
}

/// Where an order is named.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    page: Id<Page>,
    index: usize,
}

impl Entry {
    /// Where none is.
    pub(crate) const NONE: Entry = Entry { page: Id::NONE, index: 0 };
}

/// The pages of a session, chained in the order of numbers.
#[derive(Clone, Copy)]
struct Neighbors {
    prev: Id<Page>,
    next: Id<Page>,
    /// Index of the page's entry in the root.
    block: u32,
}

impl Neighbors {
    const NONE: Neighbors = Neighbors { prev: Id::NONE, next: Id::NONE, block: 0 };
}

/// 64 adjacent numbers of a session.
#[derive(Clone, Copy)]
struct Block {
    /// None if none of them rests.
    page: Id<Page>,
    /// How many rest.
    orders: u32,
}

impl Block {
    const EMPTY: Block = Block { page: Id::NONE, orders: 0 };
}

/// A session, the first cache line of its directory included.
#[repr(align(64))]
pub(crate) struct Session {
    state: SessionState,
    /// The participant's row in the table of accounts.
    pub(crate) account_row: u32,
    /// What an order gets as its `stp_key` and in its `flags`.
    pub(crate) stp_key: u32,
    pub(crate) stp_flags: u8,
    group: u32,
    self_trade: SelfTradePrevention,
    /// Its own.
    own_permission: Permission,
    /// The strictest of its own, its participant's and its group's.
    permission: Permission,
    first_page: Id<Page>,
    last_page: Id<Page>,
    root: Vec<Block>,
}

const _: () = assert!(size_of::<Session>() == 64);

impl Session {
    /// Whether it may do everything.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.permission == Permission::Trade
    }

    /// Whether `number` is the one after the last used up.
    #[inline(always)]
    pub(crate) const fn is_next(&self, number: OrderNumber) -> bool {
        number.0 != 0 && number.0 - 1 == self.state.last_number.0
    }

    /// Uses up `number`, the next.
    #[inline]
    pub(crate) const fn use_number(&mut self, number: OrderNumber) {
        self.state.last_number = number;
    }

    /// Takes note of the number of an inbound message.
    #[inline]
    pub(crate) fn take_inbound(&mut self, inbound: MsgSeqNum) {
        if inbound != MsgSeqNum::NONE {
            self.state.last_inbound = inbound;
        }
    }

    /// The number of the next message to the session.
    ///
    /// A session that has used all 2^32 - 1 gets the last one again; the gateway resets long before.
    #[inline]
    pub(crate) const fn next_msg(&mut self) -> MsgSeqNum {
        let msg = MsgSeqNum(self.state.last_outbound.0.saturating_add(1));
        self.state.last_outbound = msg;
        msg
    }
}

/// Why a number names no resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// The session has not used the number.
    Unknown,
    /// The order existed, or was refused.
    TooLate,
}

const fn page_index(number: OrderNumber) -> usize {
    number.0 as usize % PAGE_ORDERS
}

const fn block_index(number: OrderNumber) -> usize {
    number.0 as usize / PAGE_ORDERS
}

/// All sessions, the venue's own first, and the directory of their resting orders.
pub(crate) struct Sessions {
    sessions: Vec<Session>,
    directory: Directory,
}

/// The pages of all sessions.
pub(crate) struct Directory {
    pages: Pool<Page>,
    /// By page.
    neighbors: Vec<Neighbors>,
}

impl Sessions {
    pub(crate) fn new() -> Sessions {
        let directory = Directory { pages: Pool::new(), neighbors: Vec::new() };
        let mut sessions = Sessions { sessions: Vec::new(), directory };
        sessions.define(ParticipantId(0), 0, Permission::Trade, 0);
        sessions
    }

    pub(crate) fn grow(
        &mut self,
        sessions_max: u32,
        orders_max: u32,
    ) -> Result<(), TryReserveError> {
        let wanted = sessions_max as usize + 1;
        self.sessions.try_reserve_exact(wanted.saturating_sub(self.sessions.len()))?;
        // A page for each order at most, and the newest of each session.
        let max = orders_max + sessions_max + 1;
        let reserved = (orders_max / 48).max(max.min(PAGES_RESERVED));
        let wanted = reserved as usize + 1;
        let Directory { pages, neighbors } = &mut self.directory;
        neighbors.try_reserve_exact(wanted.saturating_sub(neighbors.len()))?;
        pages.grow(max, reserved)
    }

    /// Adds a session.
    fn define(
        &mut self,
        participant: ParticipantId,
        account_row: u32,
        permission: Permission,
        root_reserved: usize,
    ) {
        self.sessions.push(Session {
            state: SessionState {
                participant,
                last_inbound: MsgSeqNum::NONE,
                last_outbound: MsgSeqNum::NONE,
                last_number: OrderNumber::NONE,
            },
            account_row,
            stp_key: 0,
            stp_flags: 0,
            group: 0,
            self_trade: SelfTradePrevention::None,
            own_permission: Permission::Trade,
            permission,
            first_page: Id::NONE,
            last_page: Id::NONE,
            root: Vec::with_capacity(root_reserved),
        });
    }

    /// Adds the session of a counterparty.
    pub(crate) fn define_counterparty(
        &mut self,
        participant: ParticipantId,
        account_row: u32,
        permission: Permission,
    ) {
        self.define(participant, account_row, permission, ROOT_RESERVED);
    }

    /// Sessions, the venue's own not counted.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len() - 1
    }

    #[inline]
    pub(crate) fn state(&self, id: SessionId) -> Option<&SessionState> {
        self.sessions.get(id.index()).map(|session| &session.state)
    }

    #[inline]
    pub(crate) fn state_mut(&mut self, id: SessionId) -> Option<&mut SessionState> {
        self.sessions.get_mut(id.index()).map(|session| &mut session.state)
    }

    /// A counterparty's session, and where its orders are found.
    #[inline(always)]
    pub(crate) fn split(&mut self, id: SessionId) -> Option<(&mut Session, &mut Directory)> {
        if id == SessionId::VENUE {
            return None;
        }
        self.sessions.get_mut(id.index()).map(|session| (session, &mut self.directory))
    }

    /// The number of the next message to the session, which is a counterparty's.
    #[inline]
    pub(crate) fn next_msg(&mut self, id: SessionId) -> MsgSeqNum {
        self.sessions[id.index()].next_msg()
    }

    /// The number of the first of the next `count` messages to the session, which is a counterparty's.
    pub(crate) fn next_msgs(&mut self, id: SessionId, count: u32) -> MsgSeqNum {
        let state = &mut self.sessions[id.index()].state;
        let first = MsgSeqNum(state.last_outbound.0.saturating_add(1));
        state.last_outbound = MsgSeqNum(state.last_outbound.0.saturating_add(count));
        first
    }

    /// Whether a counterparty's session of that id is defined.
    pub(crate) fn is_counterparty(&self, id: SessionId) -> bool {
        id != SessionId::VENUE && id.index() < self.sessions.len()
    }

    /// The sessions of counterparties, by id.
    pub(crate) fn ids(&self) -> impl Iterator<Item = SessionId> + use<> {
        (1..).map(SessionId).take(self.len())
    }

    /// The row of accounts of the session's participant.
    #[inline]
    pub(crate) fn account_row(&self, id: SessionId) -> u32 {
        self.sessions.get(id.index()).map_or(0, |session| session.account_row)
    }

    /// What an order of the session gets as its key against self-trades, and in its flags.
    #[inline]
    pub(crate) fn self_trade_key(&self, id: SessionId) -> (u32, u8) {
        let Session { stp_key, stp_flags, .. } = self.sessions[id.index()];
        (stp_key, stp_flags)
    }

    /// As [`Sessions::self_trade_key`], of an order that was entered when the group and the mode of the
    /// session were these; `None` if they never are.
    pub(crate) fn self_trade_of(&self, id: SessionId, group: u32, mode: u8) -> Option<(u32, u8)> {
        match (mode, group) {
            (0, 0) => Some((0, 0)),
            (1..=4, 0) => Some((self.account_row(id) + 1, mode)),
            (1..=4, group) => Some((group, mode | Order::GROUP_KEY)),
            _ => None,
        }
    }

    /// What is permitted to the session, whatever the instrument.
    #[inline]
    pub(crate) fn permission(&self, id: SessionId) -> Permission {
        self.sessions[id.index()].permission
    }

    /// What the venue has set for the session.
    pub(crate) fn settings(&self, id: SessionId) -> Option<SessionSettings> {
        let Session { group, self_trade, own_permission: permission, .. } =
            *self.sessions.get(id.index())?;
        Some(SessionSettings { group, self_trade, permission })
    }

    /// Sets what the venue has set for the session. `permission` is the strictest that concerns it.
    ///
    /// The key of its orders to come is the group or, without one, the participant; `flags` say which,
    /// and the mode.
    pub(crate) fn set(
        &mut self,
        id: SessionId,
        settings: &SessionSettings,
        permission: Permission,
    ) {
        let session = &mut self.sessions[id.index()];
        let SessionSettings { group, self_trade, permission: own_permission } = *settings;
        let (key, flags) = match (self_trade, group) {
            (SelfTradePrevention::None, _) => (0, 0),
            (mode, 0) => (session.account_row + 1, mode as u8),
            (mode, group) => (group, mode as u8 | Order::GROUP_KEY),
        };
        *session = Session {
            stp_key: key,
            stp_flags: flags,
            group,
            self_trade,
            own_permission,
            permission,
            root: mem::take(&mut session.root),
            ..*session
        };
    }

    /// The resting order of that number.
    #[inline]
    pub(crate) fn find(&self, id: SessionId, number: OrderNumber) -> Result<Id<Order>, NotFound> {
        let session = &self.sessions[id.index()];
        let order = self.directory.find(session, number);
        if order.is_some() {
            return Ok(order);
        }
        let used = number != OrderNumber::NONE && number <= session.state.last_number;
        Err(if used { NotFound::TooLate } else { NotFound::Unknown })
    }

    /// Takes the memory that it costs to note an order of that number.
    pub(crate) fn reserve(
        &mut self,
        id: SessionId,
        number: OrderNumber,
    ) -> Result<(), TryReserveError> {
        let root = &mut self.sessions[id.index()].root;
        root.try_reserve((block_index(number) + 1).saturating_sub(root.len()))
    }

    /// Where the order of that number is named, of any session.
    #[inline]
    pub(crate) fn entry(&self, id: SessionId, number: OrderNumber) -> Entry {
        let index = page_index(number);
        match self.sessions.get(id.index()).and_then(|it| it.root.get(block_index(number))) {
            Some(block) => Entry { page: block.page, index },
            None => Entry::NONE,
        }
    }

    /// What is named there.
    #[inline]
    pub(crate) fn glance(&self, entry: Entry) -> Id<Order> {
        match self.directory.pages.get(entry.page) {
            Some(page) => page.orders[entry.index % PAGE_ORDERS],
            None => Id::NONE,
        }
    }

    /// Asks for the memory of that entry.
    #[inline]
    pub(crate) fn prefetch(&self, entry: Entry) {
        if let Some(page) = self.directory.pages.get(entry.page) {
            prefetch(&page.orders[entry.index % PAGE_ORDERS]);
        }
    }

    /// Notes a resting order.
    #[inline]
    pub(crate) fn insert(&mut self, id: SessionId, number: OrderNumber, order: Id<Order>) {
        self.directory.insert(&mut self.sessions[id.index()], number, order);
    }

    /// Forgets a resting order.
    #[inline]
    pub(crate) fn remove(&mut self, id: SessionId, number: OrderNumber) {
        self.directory.remove(&mut self.sessions[id.index()], number);
    }

    /// The resting order of the session with the lowest number.
    pub(crate) fn first(&self, id: SessionId) -> Id<Order> {
        self.directory.first_in(self.sessions[id.index()].first_page, 0)
    }

    /// The resting order of the session with the lowest number above `number`, which rests.
    pub(crate) fn after(&self, id: SessionId, number: OrderNumber) -> Id<Order> {
        let page = self.sessions[id.index()].root[block_index(number)].page;
        self.directory.first_in(page, page_index(number) + 1)
    }

    /// Hands out the resting orders of the session in order of their numbers, up to 64 at a time, with
    /// gaps.
    pub(crate) fn for_each_page(&self, id: SessionId, mut take: impl FnMut(&[Id<Order>; 64])) {
        let mut page = self.sessions[id.index()].first_page;
        while page.is_some() {
            take(&self.directory.pages[page].orders);
            page = self.directory.neighbors[page.raw() as usize].next;
        }
    }

    /// Walks the directory.
    ///
    /// # Panics
    ///
    /// If something does not agree.
    pub(crate) fn check(&self, orders: &Orders) {
        let (mut pages, mut live) = (0, 0);
        let nobody = self.directory.pages.get(Id::NONE);
        assert!(nobody.is_none_or(|page| page.orders.iter().all(|order| order.is_none())));
        for (session_id, session) in (0..).map(SessionId).zip(&self.sessions) {
            let mut count = 0;
            let mut last = OrderNumber::NONE;
            let mut at = self.first(session_id);
            while at.is_some() {
                let order = &orders[at];
                assert_eq!(order.session, session_id);
                assert!((order.stp_key != 0) == (order.flags & Order::SELF_TRADE != 0));
                assert!(order.number > last && order.number <= session.state.last_number);
                assert_eq!(self.find(session_id, order.number), Ok(at));
                last = order.number;
                count += 1;
                at = self.after(session_id, last);
            }
            let (mut prev, mut counted) = (Id::NONE, 0);
            for (index, block) in (0..).zip(&session.root) {
                if block.page.is_none() {
                    assert_eq!(block.orders, 0);
                    continue;
                }
                let neighbors = self.directory.neighbors[block.page.raw() as usize];
                assert_eq!((neighbors.prev, neighbors.block), (prev, index));
                prev = block.page;
                pages += 1;
                let stand = &self.directory.pages[block.page].orders;
                let stand = stand.iter().filter(|order| order.is_some()).count();
                assert_eq!(stand, block.orders as usize);
                assert!(stand > 0 || block.page == session.last_page);
                counted += block.orders;
            }
            assert_eq!((counted, session.last_page), (count, prev));
            live += count;
        }
        assert_eq!(live, orders.len());
        assert_eq!(pages, self.directory.pages.len());
    }
}

impl Directory {
    /// The resting order of that number, or none.
    #[inline(always)]
    pub(crate) fn find(&self, session: &Session, number: OrderNumber) -> Id<Order> {
        match session.root.get(block_index(number)) {
            // Where there is no page, page 0 says so: nothing stands in it.
            Some(block) => self.pages[block.page].orders[page_index(number)],
            None => Id::NONE,
        }
    }

    /// Notes a resting order.
    #[inline(always)]
    pub(crate) fn insert(&mut self, session: &mut Session, number: OrderNumber, order: Id<Order>) {
        let page = match session.root.get_mut(block_index(number)) {
            Some(block) if block.page.is_some() => {
                block.orders += 1;
                block.page
            }
            _ => self.open_page(session, number),
        };
        self.pages[page].orders[page_index(number)] = order;
    }

    #[cold]
    #[inline(never)]
    fn open_page(&mut self, session: &mut Session, number: OrderNumber) -> Id<Page> {
        if session.last_page.is_some() {
            let last = self.neighbors[session.last_page.raw() as usize].block as usize;
            if session.root[last].orders == 0 {
                self.close_page(session, last);
            }
        }
        let index = block_index(number);
        if session.root.len() <= index {
            session.root.resize(index + 1, Block::EMPTY);
        }
        let page = self.pages.take(Page::EMPTY);
        session.root[index] = Block { page, orders: 1 };
        let place = page.raw() as usize;
        if self.neighbors.len() <= place {
            self.neighbors.resize(place + 1, Neighbors::NONE);
        }
        let block = number.0 / PAGE_ORDERS as u32;
        // Nothing is walked over where numbers come in ascending order.
        let (mut prev, mut next) = (session.last_page, Id::NONE);
        while prev.is_some() && self.neighbors[prev.raw() as usize].block > block {
            (prev, next) = (self.neighbors[prev.raw() as usize].prev, prev);
        }
        self.neighbors[place] = Neighbors { prev, next, block };
        match prev.some() {
            None => session.first_page = page,
            Some(prev) => self.neighbors[prev.raw() as usize].next = page,
        }
        match next.some() {
            None => session.last_page = page,
            Some(next) => self.neighbors[next.raw() as usize].prev = page,
        }
        page
    }

    /// Forgets a resting order.
    #[inline(always)]
    pub(crate) fn remove(&mut self, session: &mut Session, number: OrderNumber) {
        let block = &mut session.root[block_index(number)];
        self.pages[block.page].orders[page_index(number)] = Id::NONE;
        block.orders -= 1;
        // The newest page stays for the numbers to come.
        if block.orders == 0 && block.page != session.last_page {
            self.close_page(session, block_index(number));
        }
    }

    #[cold]
    #[inline(never)]
    fn close_page(&mut self, session: &mut Session, index: usize) {
        let block = &mut session.root[index];
        let page = block.page;
        *block = Block::EMPTY;
        self.pages.give_back(page);
        let Neighbors { prev, next, .. } = self.neighbors[page.raw() as usize];
        match prev.some() {
            None => session.first_page = next,
            Some(prev) => self.neighbors[prev.raw() as usize].next = next,
        }
        match next.some() {
            None => session.last_page = prev,
            Some(next) => self.neighbors[next.raw() as usize].prev = prev,
        }
    }

    fn first_in(&self, page: Id<Page>, order_from: usize) -> Id<Order> {
        let (mut page, mut order_from) = (page, order_from);
        while page.is_some() {
            let orders = &self.pages[page].orders[order_from..];
            if let Some(order) = orders.iter().find(|order| order.is_some()) {
                return *order;
            }
            order_from = 0;
            page = self.neighbors[page.raw() as usize].next;
        }
        Id::NONE
    }
}
