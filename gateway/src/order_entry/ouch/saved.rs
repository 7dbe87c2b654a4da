//! What is kept of OUCH orders as bytes, for a snapshot.
//!
//! 8 bytes: how many facts; 4 bytes, the number before the first; 4 bytes, how many are past; 1 byte, whether entry is
//! disabled, 7 zero; each fact 24 bytes: UserRefNum, instrument, price, size, side, TimeInForce, capacity, CrossType.

use matcher::{InstrumentId, Price};

use super::{Fact, OuchOrders};
use crate::saved::{NotSaved, Saved};

const FACT_BYTES: usize = 24;

impl OuchOrders {
    /// Gives all that is known to `out`; [`OuchOrders::load`] reads it.
    pub(in crate::order_entry) fn save(&self, out: &mut dyn FnMut(&[u8])) {
        out(&(self.len as u64).to_le_bytes());
        out(&self.before.to_le_bytes());
        out(&u32::try_from(self.past).unwrap_or(u32::MAX).to_le_bytes());
        out(&[u8::from(self.disabled), 0, 0, 0, 0, 0, 0, 0]);
        for fact in self.pages.iter().flatten() {
            out(&fact.user_ref.to_le_bytes());
            out(&fact.instrument.0.to_le_bytes());
            out(&fact.price.ticks().to_le_bytes());
            out(&fact.qty.to_le_bytes());
            out(&[fact.side, fact.time_in_force, fact.capacity, fact.cross_type]);
        }
    }

    /// What [`OuchOrders::save`] gave these bytes; takes them from the front.
    ///
    /// # Errors
    ///
    /// If they are none.
    pub(in crate::order_entry) fn load(saved: &mut Saved<'_>) -> Result<OuchOrders, NotSaved> {
        let len = usize::try_from(saved.u64()?).map_err(|_| NotSaved)?;
        let (before, past) = (saved.u32()?, saved.u32()? as usize);
        let [disabled @ (0 | 1), 0, 0, 0, 0, 0, 0, 0] = saved.u64()?.to_le_bytes() else {
            return Err(NotSaved);
        };
        let fits = len.checked_mul(FACT_BYTES).is_some_and(|bytes| bytes <= saved.rest().len());
        if !fits || past > len {
            return Err(NotSaved);
        }
        let mut orders = OuchOrders { before, disabled: disabled == 1, ..OuchOrders::default() };
        for _ in 0..len {
            let (user_ref, instrument) = (saved.u32()?, InstrumentId(saved.u32()?));
            let (price, qty) = (Price::from_ticks(saved.i64()?), saved.u32()?);
            let [side, time_in_force, capacity, cross_type] = saved.u32()?.to_le_bytes();
            orders.push(Fact {
                user_ref,
                instrument,
                price,
                qty,
                side,
                time_in_force,
                capacity,
                cross_type,
            });
        }
        orders.past = past;
        Ok(orders)
    }
}
