//! Sessions: their numbers, and which of their order numbers is which resting order.
//!
//! An order is found by index. A session's root has one entry for 256 numbers and names a *branch*,
//! whose 16 entries name *leaves*, whose 16 entries name orders. Leaves and branches come from pools
//! and go back when their last order is gone, so the directory costs at most one leaf and one branch
//! (136 bytes) per resting order, and 4.3 bytes where the numbers are close together.
//!
//! Growth: the pools begin with room for `orders_max` / 4 leaves and / 32 branches and double up to
//! `orders_max`; a root doubles when a session goes past 2^18 numbers and takes 64 MiB at 2^32.

use std::collections::TryReserveError;
use std::mem;

use crate::orders::Order;
use crate::pool::{Id, Pool, Pooled};
use crate::types::{MsgSeqNum, OrderNumber, ParticipantId, SessionId};

const FAN_OUT: usize = 16;

/// Entries that the root of a new session has room for: its first 2^18 order numbers.
const ROOT_RESERVED: usize = 1024;

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

/// Orders of 16 adjacent numbers.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Leaf {
    orders: [Id<Order>; FAN_OUT],
}

impl Pooled for Leaf {
    const EMPTY: Leaf = Leaf { orders: [Id::NONE; FAN_OUT] };

    fn link(&mut self) -> &mut u32 {
        self.orders[0].raw_mut()
    }
}

/// Leaves of 256 adjacent numbers, chained in the order of numbers within their session.
#[derive(Clone, Copy)]
struct Branch {
    leaves: [Id<Leaf>; FAN_OUT],
    next: Id<Branch>,
    prev: Id<Branch>,
}

impl Pooled for Branch {
    const EMPTY: Branch = Branch { leaves: [Id::NONE; FAN_OUT], next: Id::NONE, prev: Id::NONE };

    fn link(&mut self) -> &mut u32 {
        self.next.raw_mut()
    }
}

struct Session {
    state: SessionState,
    /// Resting orders.
    orders: u32,
    /// The leaf of the newest resting order's number, and that number / 16.
    last_leaf: Id<Leaf>,
    last_block: u32,
    first_branch: Id<Branch>,
    last_branch: Id<Branch>,
    root: Vec<Id<Branch>>,
}

/// Why a number names no resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotFound {
    /// The session has not used the number.
    Unknown,
    /// The order existed, or was refused.
    TooLate,
}

const fn leaf_index(number: OrderNumber) -> usize {
    number.0 as usize % FAN_OUT
}

const fn branch_index(number: OrderNumber) -> usize {
    number.0 as usize / FAN_OUT % FAN_OUT
}

const fn root_index(number: OrderNumber) -> usize {
    number.0 as usize / (FAN_OUT * FAN_OUT)
}

/// All sessions, the venue's own first, and the directory of their resting orders.
pub(crate) struct Sessions {
    sessions: Vec<Session>,
    leaves: Pool<Leaf>,
    branches: Pool<Branch>,
}

impl Sessions {
    pub(crate) fn new() -> Sessions {
        let mut sessions =
            Sessions { sessions: Vec::new(), leaves: Pool::new(), branches: Pool::new() };
        sessions.define(ParticipantId(0), 0);
        sessions
    }

    pub(crate) fn grow(
        &mut self,
        sessions_max: u32,
        orders_max: u32,
    ) -> Result<(), TryReserveError> {
        let wanted = sessions_max as usize + 1;
        self.sessions.try_reserve_exact(wanted.saturating_sub(self.sessions.len()))?;
        self.leaves.grow(orders_max, orders_max / 4)?;
        self.branches.grow(orders_max, orders_max / 32)
    }

    /// Adds a session.
    pub(crate) fn define(&mut self, participant: ParticipantId, root_reserved: usize) {
        self.sessions.push(Session {
            state: SessionState {
                participant,
                last_inbound: MsgSeqNum::NONE,
                last_outbound: MsgSeqNum::NONE,
                last_number: OrderNumber::NONE,
            },
            orders: 0,
            last_leaf: Id::NONE,
            last_block: 0,
            first_branch: Id::NONE,
            last_branch: Id::NONE,
            root: Vec::with_capacity(root_reserved),
        });
    }

    /// Adds the session of a counterparty.
    pub(crate) fn define_counterparty(&mut self, participant: ParticipantId) {
        self.define(participant, ROOT_RESERVED);
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

    /// The number of the next message to the session.
    ///
    /// A session that has used all 2^32 - 1 gets the last one again; the gateway resets long before.
    #[inline]
    pub(crate) fn next_msg(&mut self, id: SessionId) -> MsgSeqNum {
        if id == SessionId::VENUE {
            return MsgSeqNum::NONE;
        }
        let state = &mut self.sessions[id.index()].state;
        state.last_outbound = MsgSeqNum(state.last_outbound.0.saturating_add(1));
        state.last_outbound
    }

    /// The resting order of that number.
    #[inline]
    pub(crate) fn find(&self, id: SessionId, number: OrderNumber) -> Result<Id<Order>, NotFound> {
        let session = &self.sessions[id.index()];
        if number == OrderNumber::NONE || number > session.state.last_number {
            return Err(NotFound::Unknown);
        }
        let leaf = self.leaf(session, number);
        if leaf.is_none() {
            return Err(NotFound::TooLate);
        }
        let order = self.leaves[leaf].orders[leaf_index(number)];
        if order.is_some() { Ok(order) } else { Err(NotFound::TooLate) }
    }

    #[inline]
    fn leaf(&self, session: &Session, number: OrderNumber) -> Id<Leaf> {
        match session.root.get(root_index(number)) {
            Some(branch) if branch.is_some() => self.branches[*branch].leaves[branch_index(number)],
            _ => Id::NONE,
        }
    }

    /// Notes a resting order. Numbers of a session come in ascending order.
    #[inline]
    pub(crate) fn insert(&mut self, id: SessionId, number: OrderNumber, order: Id<Order>) {
        let session = &mut self.sessions[id.index()];
        session.orders += 1;
        let block = number.0 / FAN_OUT as u32;
        if session.last_leaf.is_none() || session.last_block != block {
            self.open_leaf(id, number);
        }
        let leaf = self.sessions[id.index()].last_leaf;
        self.leaves[leaf].orders[leaf_index(number)] = order;
    }

    fn open_leaf(&mut self, id: SessionId, number: OrderNumber) {
        let session = &mut self.sessions[id.index()];
        let root_index = root_index(number);
        if session.root.len() <= root_index {
            session.root.resize(root_index + 1, Id::NONE);
        }
        let mut branch = session.root[root_index];
        if branch.is_none() {
            branch = self.branches.take(Branch { prev: session.last_branch, ..Branch::EMPTY });
            session.root[root_index] = branch;
            match session.last_branch.some() {
                None => session.first_branch = branch,
                Some(last) => self.branches[last].next = branch,
            }
            session.last_branch = branch;
        }
        let leaf = self.leaves.take(Leaf::EMPTY);
        self.branches[branch].leaves[branch_index(number)] = leaf;
        session.last_leaf = leaf;
        session.last_block = number.0 / FAN_OUT as u32;
    }

    /// Forgets a resting order.
    #[inline]
    pub(crate) fn remove(&mut self, id: SessionId, number: OrderNumber) {
        let leaf = self.leaf(&self.sessions[id.index()], number);
        self.sessions[id.index()].orders -= 1;
        let orders = &mut self.leaves[leaf].orders;
        // Read before it is written: a wide load just after a narrow store to the same line stalls.
        let all: u64 = orders.iter().map(|order| u64::from(order.raw())).sum();
        let order = mem::replace(&mut orders[leaf_index(number)], Id::NONE);
        if all == u64::from(order.raw()) {
            self.close_leaf(id, number, leaf);
        }
    }

    fn close_leaf(&mut self, id: SessionId, number: OrderNumber, leaf: Id<Leaf>) {
        let session = &mut self.sessions[id.index()];
        if session.last_leaf == leaf {
            session.last_leaf = Id::NONE;
        }
        self.leaves.give_back(leaf);
        let branch = session.root[root_index(number)];
        let leaves = &mut self.branches[branch].leaves;
        leaves[branch_index(number)] = Id::NONE;
        if leaves.iter().all(|leaf| leaf.is_none()) {
            session.root[root_index(number)] = Id::NONE;
            let Branch { prev, next, .. } = self.branches.give_back(branch);
            match prev.some() {
                None => session.first_branch = next,
                Some(prev) => self.branches[prev].next = next,
            }
            match next.some() {
                None => session.last_branch = prev,
                Some(next) => self.branches[next].prev = prev,
            }
        }
    }

    /// The resting order of the session with the lowest number.
    pub(crate) fn first(&self, id: SessionId) -> Id<Order> {
        self.first_in(self.sessions[id.index()].first_branch, 0, 0)
    }

    /// The resting order of the session with the lowest number above `number`, which rests.
    pub(crate) fn after(&self, id: SessionId, number: OrderNumber) -> Id<Order> {
        let branch = self.sessions[id.index()].root[root_index(number)];
        self.first_in(branch, branch_index(number), leaf_index(number) + 1)
    }

    fn first_in(&self, branch: Id<Branch>, leaf_from: usize, order_from: usize) -> Id<Order> {
        let (mut at, mut leaf_from, mut order_from) = (branch, leaf_from, order_from);
        while at.is_some() {
            for leaf in &self.branches[at].leaves[leaf_from..] {
                if leaf.is_some() {
                    let orders = &self.leaves[*leaf].orders[order_from..];
                    if let Some(order) = orders.iter().find(|order| order.is_some()) {
                        return *order;
                    }
                }
                order_from = 0;
            }
            leaf_from = 0;
            at = self.branches[at].next;
        }
        Id::NONE
    }

    /// Walks the directory.
    ///
    /// # Panics
    ///
    /// If something does not agree.
    pub(crate) fn check(&self, orders: &Pool<Order>) {
        let (mut leaves, mut branches, mut live) = (0, 0, 0);
        for (session_id, session) in (0..).map(SessionId).zip(&self.sessions) {
            let mut count = 0;
            let mut last = OrderNumber::NONE;
            let mut at = self.first(session_id);
            while at.is_some() {
                let order = &orders[at];
                assert_eq!(order.session, session_id);
                assert!(order.number > last && order.number <= session.state.last_number);
                assert_eq!(self.find(session_id, order.number), Ok(at));
                last = order.number;
                count += 1;
                at = self.after(session_id, last);
            }
            assert_eq!(count, session.orders);
            live += count;
            let mut prev = Id::NONE;
            for branch in session.root.iter().filter(|branch| branch.is_some()) {
                assert_eq!(self.branches[*branch].prev, prev);
                prev = *branch;
                let used = self.branches[*branch].leaves.iter().filter(|leaf| leaf.is_some());
                let used = used.map(|leaf| {
                    assert!(self.leaves[*leaf].orders.iter().any(|order| order.is_some()));
                });
                let used = used.count();
                assert!(used > 0);
                leaves += used;
                branches += 1;
            }
            assert_eq!(session.last_branch, prev);
        }
        assert_eq!(live, orders.len());
        assert_eq!(leaves, self.leaves.len() as usize);
        assert_eq!(branches, self.branches.len());
    }
}
