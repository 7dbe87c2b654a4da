//! A session's orders as bytes, for a snapshot. The index is not among them: [`Orders::index`] makes it again.
//!
//! ```text
//! pages of text: 8 bytes, how many; each: 4 bytes, its length, and as many bytes
//! numbers:       8 bytes, how many; each 64 bytes, as `Entry` has them
//! restated:      8 bytes, how many; each 40 bytes: number, 1 if it has a price, position and event, price, quantity
//! busted:        8 bytes, how many; each 32 bytes: number, present number, position, done, notional
//! ```

use std::collections::BTreeMap;

use matcher::{Notional, OrderId, OrderNumber, Price, Qty};

use super::{
    ENTRIES_PER_PAGE, Entry, FORMS, ORDERS_PER_SESSION_MAX, Orders, Restatement, State,
    TEXT_PAGE_BYTES, Terms, WhenBusted,
};
use crate::saved::{NotSaved, Saved};

/// Bytes of a saved number.
const ENTRY_BYTES: usize = 64;
const RESTATED_BYTES: usize = 40;
const BUSTED_BYTES: usize = 32;

/// What 32 bits reach.
const TEXT_PAGES_MAX: usize = 1 << 20;

/// In the order of their codes.
const STATES: [State; 6] = [
    State::Entered,
    State::Accepted,
    State::Refused,
    State::Filled,
    State::Canceled,
    State::Expired,
];

impl Orders {
    /// Gives all that is known to `out`; [`Orders::load`] reads it.
    pub fn save(&self, out: &mut dyn FnMut(&[u8])) {
        out(&(self.texts.len() as u64).to_le_bytes());
        for page in &self.texts {
            out(&u32::try_from(page.len()).unwrap_or(u32::MAX).to_le_bytes());
            out(page);
        }
        out(&u64::from(self.last).to_le_bytes());
        let mut bytes = Vec::with_capacity(ENTRIES_PER_PAGE * ENTRY_BYTES);
        for page in &self.entries {
            bytes.clear();
            page.iter().for_each(|entry| entry.save(&mut bytes));
            out(&bytes);
        }
        out(&(self.restated.len() as u64).to_le_bytes());
        for ((number, (position, event)), to) in &self.restated {
            let price = to.price.map_or(0, Price::ticks);
            let words = [
                u64::from(number.0) | u64::from(to.price.is_some()) << 32,
                *position,
                u64::from(*event),
                price.cast_unsigned(),
                to.order_qty.lots(),
            ];
            words.iter().for_each(|word| out(&word.to_le_bytes()));
        }
        out(&(self.busted.len() as u64).to_le_bytes());
        for ((number, position), when) in &self.busted {
            let words = [
                u64::from(number.0) | u64::from(when.present.0) << 32,
                *position,
                when.cum_qty.lots(),
                when.notional.tick_lots().cast_unsigned(),
            ];
            words.iter().for_each(|word| out(&word.to_le_bytes()));
        }
    }

    /// The orders that [`Orders::save`] gave these bytes, not yet in the index; takes them from the front.
    ///
    /// # Errors
    ///
    /// If the bytes are not what orders are saved as.
    pub fn load(saved: &mut Saved<'_>) -> Result<Orders, NotSaved> {
        let mut orders = Orders::new();
        let pages = saved.count(4)?;
        for _ in 0..pages {
            let len = saved.u32()? as usize;
            if len > TEXT_PAGE_BYTES || pages > TEXT_PAGES_MAX {
                return Err(NotSaved);
            }
            orders.texts.push(saved.bytes(len)?.to_vec());
        }
        // The one that grows does so without moving.
        if let Some(page) = orders.texts.last_mut() {
            page.reserve_exact(TEXT_PAGE_BYTES - page.len());
        }
        let count = saved.count(ENTRY_BYTES)?;
        let last = u32::try_from(count).ok().filter(|last| *last <= ORDERS_PER_SESSION_MAX);
        orders.last = last.ok_or(NotSaved)?;
        for from in (0..count).step_by(ENTRIES_PER_PAGE) {
            let mut page = Vec::with_capacity(ENTRIES_PER_PAGE);
            for _ in from..count.min(from + ENTRIES_PER_PAGE) {
                page.push(Entry::load(saved, &orders)?);
            }
            orders.entries.push(page);
        }
        orders.restated = load_restated(saved)?;
        orders.busted = load_busted(saved)?;
        Ok(orders)
    }
}

impl Entry {
    fn save(&self, out: &mut Vec<u8>) {
        let state = STATES.iter().position(|state| *state == self.state).unwrap_or_default();
        let words = [
            self.position,
            self.order_id.0,
            self.traded_at,
            self.done_at,
            self.cum_qty.lots(),
            self.notional.tick_lots().cast_unsigned(),
        ];
        words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        for half in [self.root, self.text_at, self.present] {
            out.extend_from_slice(&half.to_le_bytes());
        }
        let state = u8::try_from(state).unwrap_or_default();
        out.extend_from_slice(&[self.cl_ord_id_len, self.account_len, self.terms.0, state]);
    }

    /// The next entry of `orders`, which has its texts and its last number already.
    fn load(saved: &mut Saved<'_>, orders: &Orders) -> Result<Entry, NotSaved> {
        let entry = Entry {
            position: saved.u64()?,
            order_id: OrderId(saved.u64()?),
            traded_at: saved.u64()?,
            done_at: saved.u64()?,
            cum_qty: Qty::from_lots(saved.u64()?),
            notional: Notional::from_tick_lots(saved.i64()?),
            root: saved.u32()?,
            text_at: saved.u32()?,
            present: saved.u32()?,
            cl_ord_id_len: saved.u8()?,
            account_len: saved.u8()?,
            terms: Terms(saved.u8()?),
            state: *STATES.get(usize::from(saved.u8()?)).ok_or(NotSaved)?,
        };
        let numbers = 1..=orders.last;
        let page = orders.texts.get(entry.text_at as usize / TEXT_PAGE_BYTES);
        let text_len = usize::from(entry.cl_ord_id_len) + usize::from(entry.account_len);
        let text_end = entry.text_at as usize % TEXT_PAGE_BYTES + text_len;
        // An empty text may stand behind the last page.
        let good = numbers.contains(&entry.root)
            && numbers.contains(&entry.present)
            && page.map_or(text_len == 0, |page| text_end <= page.len())
            && usize::from(entry.terms.0 >> 3 & 0xf) < FORMS.len();
        if good { Ok(entry) } else { Err(NotSaved) }
    }
}

fn load_restated(
    saved: &mut Saved<'_>,
) -> Result<BTreeMap<(OrderNumber, super::Moment), Restatement>, NotSaved> {
    let mut restated = BTreeMap::new();
    for _ in 0..saved.count(RESTATED_BYTES)? {
        let (number, has_price) = (OrderNumber(saved.u32()?), saved.u32()?);
        let position = saved.u64()?;
        let event = u32::try_from(saved.u64()?).map_err(|_| NotSaved)?;
        let price = Price::from_ticks(saved.i64()?);
        let order_qty = Qty::from_lots(saved.u64()?);
        let price = match has_price {
            0 => None,
            1 => Some(price),
            _ => return Err(NotSaved),
        };
        restated.insert((number, (position, event)), Restatement { price, order_qty });
    }
    Ok(restated)
}

fn load_busted(
    saved: &mut Saved<'_>,
) -> Result<BTreeMap<(OrderNumber, u64), WhenBusted>, NotSaved> {
    let mut busted = BTreeMap::new();
    for _ in 0..saved.count(BUSTED_BYTES)? {
        let (number, present) = (OrderNumber(saved.u32()?), OrderNumber(saved.u32()?));
        let position = saved.u64()?;
        let cum_qty = Qty::from_lots(saved.u64()?);
        let notional = Notional::from_tick_lots(saved.i64()?);
        busted.insert((number, position), WhenBusted { present, cum_qty, notional });
    }
    Ok(busted)
}

const _: () = assert!(size_of::<Entry>() == ENTRY_BYTES);
