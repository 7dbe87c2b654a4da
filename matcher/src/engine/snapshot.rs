//! The whole state as a stream of words: [`Engine::save`], [`Engine::load`], [`Engine::state_hash`].

use std::hint::black_box;

use super::Engine;
use super::govern::covers;
use crate::book::Sides;
use crate::command::{Limits, Permission, SelfTradePrevention};
use crate::event::RejectReason;
use crate::orders::Order;
use crate::pool::Id;
use crate::sessions::SessionSettings;
use crate::snapshot::{Hash, Reader, SnapshotError, Words, Writer, decode};
use crate::types::{InstrumentId, MsgSeqNum, OrderNumber, ParticipantId, SessionId, TradeId};

/// Trades and places at most: what is given one at a time does not come this far, and what is added to
/// it later does not overflow.
const COUNTED_MAX: u64 = 1 << 62;

/// Lots of a position at most, long or short: more than `COUNTED_MAX` trades of any quantity give.
const POSITION_MAX: u128 = 1 << 126;

/// Which words are walked over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    /// All but the numbers of sessions, which commands use up whatever the answer is.
    ButNumbers,
}

/// Snapshots.
impl Engine {
    /// A number that two engines share if they answer everything alike from here on, and do not share
    /// otherwise, as far as 64 bits can tell.
    ///
    /// It is the hash that [`Engine::save`] writes at the end. Cost: a walk over everything, like a
    /// snapshot without its bytes.
    #[must_use]
    pub fn state_hash(&self) -> u64 {
        self.hash(Part::All)
    }

    /// As [`Engine::state_hash`], but for the numbers of sessions: their last message numbers and their
    /// last order number. A command that is refused changes nothing else.
    #[must_use]
    pub fn book_hash(&self) -> u64 {
        self.hash(Part::ButNumbers)
    }

    fn hash(&self, part: Part) -> u64 {
        let mut hash = Hash::NEW;
        self.walk(&mut hash, part);
        hash.value()
    }

    /// Gives the whole state to `out`, in blocks of bytes: `SNAPSHOT.md` says what they mean.
    ///
    /// The sequence of the last Input is not a part of it: who counts them keeps it with the bytes.
    pub fn save(&self, out: &mut impl FnMut(&[u8])) {
        let mut writer = Writer::new(out);
        self.walk(&mut writer, Part::All);
        writer.end();
    }

    /// The one walk over everything that decides future answers. Whoever adds state adds it here, and in
    /// [`Engine::load`].
    fn walk<W: Words>(&self, out: &mut W, part: Part) {
        let (sessions, accounts) = (&self.store.sessions, &self.store.accounts);
        out.head();
        out.limits(&self.limits);
        out.word(self.store.trades);
        out.word(self.store.places);
        out.pair(count(sessions.len()), count(accounts.firms().len()));
        out.pair(count(self.groups.restricted().len()), accounts.len());
        out.pair(count(self.busts.trades().len()), count(self.books.len()));
        out.pair(self.store.orders.len(), count(self.elected().count()));
        for id in sessions.ids() {
            if let (Some(state), Some(settings)) = (sessions.state(id), sessions.settings(id)) {
                out.pair(state.participant.0, settings.group);
                let (mode, permission) = (settings.self_trade as u8, settings.permission as u8);
                out.codes([mode, permission, 0, 0, 0, 0, 0, 0]);
            }
        }
        if part == Part::All {
            for state in sessions.ids().filter_map(|id| sessions.state(id)) {
                out.pair(state.last_inbound.0, state.last_outbound.0);
                out.pair(state.last_number.0, 0);
            }
        }
        for firm in accounts.firms() {
            out.pair(firm.participant.0, firm.permission as u32);
            out.risk_limits(firm.limits());
        }
        for (group, permission) in self.groups.restricted() {
            out.pair(*group, *permission as u32);
        }
        for account in accounts.iter() {
            let [low, high] = halves(account.position());
            out.pair(account.participant.0, account.instrument.0);
            out.word(low);
            out.word(high);
            out.word(account.own_limits().is_some().into());
            if let Some(limits) = account.own_limits() {
                out.risk_limits(limits);
            }
        }
        for trade in self.busts.trades() {
            out.word(trade.0);
        }
        for book in &self.books {
            book.save(out);
        }
        for id in sessions.ids() {
            sessions.for_each_page(id, |page| {
                // Looked at first, all at once, so that the memory they are in is waited for together.
                black_box(self.store.orders.touch(page));
                for order in page.iter().filter(|order| order.is_some()) {
                    self.store.save_order(&self.books, *order, out);
                }
            });
        }
        for slot in self.elected() {
            let order = &self.store.orders[slot];
            out.pair(order.session.0, order.number.0);
        }
    }

    /// The elected orders in the order in which they come to life, of one instrument after the other.
    fn elected(&self) -> impl Iterator<Item = Id<Order>> {
        let extras = &self.store.extras;
        let queues = self.books.iter().flat_map(|book| book.beside.elected.iter(extras));
        queues.map(|id| extras[id].order)
    }

    /// The engine that [`Engine::save`] gave these bytes: it answers everything as that one does.
    ///
    /// It has tables of the same limits, none of which is above that of `room`
    /// ([`crate::LIMITS_MAX`] has room for all), and takes what memory they need.
    ///
    /// # Errors
    ///
    /// If the bytes are not what an engine saves, whatever they are.
    pub fn load(bytes: &[u8], room: &Limits) -> Result<Engine, SnapshotError> {
        let (mut reader, said) = Reader::open(bytes)?;
        let reader = &mut reader;
        let mut engine = Engine::new();
        let limits = reader.limits()?;
        if !covers(room, &limits) {
            return Err(SnapshotError::Limits(limits));
        }
        engine.configure(&limits).map_err(|reason| match reason {
            RejectReason::TableFull => SnapshotError::Memory,
            _ => SnapshotError::Limits(limits),
        })?;
        engine.store.trades = reader.at_most(COUNTED_MAX)?;
        engine.store.places = reader.at_most(COUNTED_MAX)?;
        let (sessions, participants) = reader.pair()?;
        let (groups, accounts) = reader.pair()?;
        let (busts, instruments) = reader.pair()?;
        if instruments > limits.instruments_max {
            return Err(reader.refuse());
        }
        let (orders, elected) = reader.pair()?;
        if orders > limits.orders_max {
            return Err(reader.refuse());
        }
        let settings = engine.load_sessions(reader, sessions, participants)?;
        engine.load_participants(reader)?;
        for _ in 0..groups {
            let (group, permission) = load_permission(reader)?;
            reader.known(engine.groups.restore(group, permission).filter(|()| group != 0))?;
        }
        for (id, settings) in engine.store.sessions.ids().zip(&settings) {
            engine.apply_settings(id, settings);
        }
        engine.load_accounts(reader, accounts, instruments)?;
        for _ in 0..busts {
            let trade = TradeId(reader.at_most(engine.store.trades)?);
            reader.known(engine.busts.restore(trade).filter(|()| trade.0 != 0))?;
        }
        for id in (0..instruments).map(InstrumentId) {
            let book = Sides::load_instrument(id, reader)?;
            let admitted = engine.admit_instrument(id, &book.instrument);
            admitted.map_err(|_| reader.refuse())?;
            engine.books.push(book);
        }
        engine.load_orders(reader, orders)?;
        engine.load_elected(reader, elected)?;
        reader.end()?;
        if engine.state_hash() == said { Ok(engine) } else { Err(SnapshotError::NotCanonical) }
    }

    /// Adds the sessions and their numbers; what they say of themselves is returned, to be applied when
    /// it is known what their participants and groups may do.
    fn load_sessions(
        &mut self,
        reader: &mut Reader<'_>,
        sessions: u32,
        participants: u32,
    ) -> Result<Vec<SessionSettings>, SnapshotError> {
        let mut all = Vec::new();
        for id in (1..=sessions).map(SessionId) {
            let (participant, group) = reader.pair()?;
            let defined = self.define_session(id, ParticipantId(participant));
            defined.map_err(|_| reader.refuse())?;
            let [mode, permission, rest @ ..] = reader.codes()?;
            let permission = reader.known(Permission::from_code(permission))?;
            let self_trade = reader.known(decode(&SELF_TRADE_MODES, mode, |mode| mode as u8))?;
            if rest != [0; 6] {
                return Err(reader.refuse());
            }
            all.try_reserve(1)?;
            all.push(SessionSettings { group, self_trade, permission });
        }
        if self.store.accounts.firms().len() != participants as usize {
            return Err(SnapshotError::NotCanonical);
        }
        for id in (1..=sessions).map(SessionId) {
            let (last_inbound, last_outbound) = reader.pair()?;
            let last_number = OrderNumber(reader.half()?);
            if let Some(state) = self.store.sessions.state_mut(id) {
                state.last_inbound = MsgSeqNum(last_inbound);
                state.last_outbound = MsgSeqNum(last_outbound);
                state.last_number = last_number;
            }
        }
        Ok(all)
    }

    /// The participants, in order of their first sessions.
    fn load_participants(&mut self, reader: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for row in 0..count(self.store.accounts.firms().len()) {
            let (participant, permission) = load_permission(reader)?;
            let firm = self.store.accounts.firm_mut(row);
            if firm.participant != ParticipantId(participant) {
                return Err(reader.refuse());
            }
            firm.permission = permission;
            let limits = reader.risk_limits()?;
            self.store.accounts.limit_all(row, &limits);
        }
        Ok(())
    }

    fn load_accounts(
        &mut self,
        reader: &mut Reader<'_>,
        accounts: u32,
        instruments: u32,
    ) -> Result<(), SnapshotError> {
        for _ in 0..accounts {
            let (participant, instrument) = reader.pair()?;
            let row = self.store.accounts.row(ParticipantId(participant));
            let row = reader.known(row.filter(|_| instrument < instruments))?;
            let instrument = InstrumentId(instrument);
            if self.store.accounts.find(row, instrument).is_some() {
                return Err(reader.refuse());
            }
            let account = self.store.accounts.open(row, instrument).some();
            let account = reader.known(account)?;
            let (low, high) = (reader.word()?, reader.word()?);
            let position = (u128::from(low) | u128::from(high) << 64).cast_signed();
            if position.unsigned_abs() > POSITION_MAX {
                return Err(reader.refuse());
            }
            self.store.accounts.get_mut(account).set_position(position);
            if reader.at_most(1)? == 1 {
                let limits = reader.risk_limits()?;
                self.store.accounts.limit(account, &limits);
            }
        }
        Ok(())
    }

    /// The orders, in order of sessions and numbers, and what is true only of all books together: no two
    /// have one place, or one symbol.
    fn load_orders(&mut self, reader: &mut Reader<'_>, orders: u32) -> Result<(), SnapshotError> {
        let (mut stands, mut places) = (Vec::new(), Vec::new());
        stands.try_reserve_exact(orders as usize)?;
        places.try_reserve_exact(orders as usize)?;
        for _ in 0..orders {
            let (slot, stand) = self.store.load_order(&self.books, reader)?;
            let Order { session, number, .. } = self.store.orders[slot];
            let sessions = &mut self.store.sessions;
            if sessions.find(session, number).is_ok() {
                return Err(SnapshotError::NotCanonical);
            }
            sessions.reserve(session, number)?;
            sessions.insert(session, number, slot);
            stands.push(stand);
            places.push(stand.place);
        }
        let mut symbols = Vec::new();
        symbols.try_reserve_exact(self.books.len())?;
        symbols.extend(self.books.iter().map(|book| book.instrument.symbol));
        symbols.sort_unstable();
        places.sort_unstable();
        stands.sort_unstable();
        let are_different = places.windows(2).all(|two| two[0] != two[1])
            && symbols.windows(2).all(|two| two[0] != two[1]);
        if !are_different {
            return Err(SnapshotError::NotCanonical);
        }
        for stand in &stands {
            let book = &mut self.books[stand.instrument.index()];
            book.stand(&mut self.store, stand).ok_or(SnapshotError::NotCanonical)?;
        }
        Ok(())
    }

    /// The queues of elected orders; then all that a book keeps stands.
    fn load_elected(&mut self, reader: &mut Reader<'_>, elected: u32) -> Result<(), SnapshotError> {
        for _ in 0..elected {
            let (session, number) = reader.pair()?;
            let (session, number) = (SessionId(session), OrderNumber(number));
            let state = self.store.sessions.state(session);
            reader.known(state.filter(|_| session != SessionId::VENUE))?;
            let slot = reader.known(self.store.sessions.find(session, number).ok())?;
            let instrument = self.instrument_of(slot);
            let book = &mut self.books[instrument.index()];
            reader.known(book.stand_elected(&mut self.store, slot))?;
        }
        for book in &mut self.books {
            book.mark();
        }
        let are_settled = self.books.iter().all(|book| book.is_settled(&self.store));
        if are_settled && self.store.extras.expire_one_by_one() {
            Ok(())
        } else {
            Err(SnapshotError::NotCanonical)
        }
    }
}

const SELF_TRADE_MODES: [SelfTradePrevention; 5] = [
    SelfTradePrevention::None,
    SelfTradePrevention::CancelNewest,
    SelfTradePrevention::CancelOldest,
    SelfTradePrevention::CancelBoth,
    SelfTradePrevention::Decrement,
];

/// Whom a permission concerns, and what it is.
fn load_permission(reader: &mut Reader<'_>) -> Result<(u32, Permission), SnapshotError> {
    let (id, permission) = reader.pair()?;
    let permission = u8::try_from(permission).ok().and_then(Permission::from_code);
    Ok((id, reader.known(permission)?))
}

/// The tables count in 32 bits.
fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// The lower and the upper word of a position.
fn halves(position: i128) -> [u64; 2] {
    let [low, high] = [position.cast_unsigned(), position.cast_unsigned() >> 64];
    [low, high].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0))
}
