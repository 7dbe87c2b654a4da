//! Input → the OUCH message that it came from, as far as the journal has it: for captures and for who reads a journal.

use matcher::{Command, Input, OrderKind};

use super::attached::{Attached, Entered};
use super::{Scale, SymbolOf};
use crate::order_entry::OrderEntry;
use crate::ouch::{
    AccountQuery, Cancel, DisableOrderEntry, EnableOrderEntry, Enter, FromClient, FromVenue,
    MARKET_PRICE, MassCancel, Modify, Note, Options, Replace,
};

impl OrderEntry {
    /// The message of an OUCH session that `input` came from; `None` if it came from none, or the journal has not kept what it
    /// said: that of a request which was refused before the core, whose answer has its UserRefNum.
    ///
    /// The fold must have followed the journal up to this Input at least.
    #[must_use]
    pub fn ouch_asked(&self, input: &Input, attachment: &[u8]) -> Option<FromClient> {
        if let Some(Note::Said(answer)) = Note::decode(attachment) {
            return asked_for(&answer);
        }
        let options = Options::default();
        let user_ref = |number| {
            let facts = self.ouch.get(input.session.index())?;
            facts.of(number).map(|fact| fact.user_ref)
        };
        let shares = |qty: matcher::Qty| u32::try_from(qty.lots()).unwrap_or(u32::MAX);
        Some(match (&input.command, Attached::decode(attachment)) {
            (
                Command::New(new) | Command::NewSpecial(new, _),
                Some(Attached::Enter(entered @ Entered { refused: None, .. })),
            ) => {
                let instrument = self.directory.instrument(new.instrument)?;
                FromClient::Enter(Enter {
                    user_ref_num: entered.user_ref_num,
                    side: entered.side,
                    quantity: shares(new.qty),
                    symbol: SymbolOf::padded(&instrument.symbol),
                    price: match new.kind {
                        OrderKind::Limit(price) => Scale::new(instrument).to_units(price),
                        _ => MARKET_PRICE,
                    },
                    time_in_force: entered.time_in_force,
                    display: entered.display,
                    capacity: entered.capacity,
                    iso: entered.iso,
                    cross_type: entered.cross_type,
                    cl_ord_id: entered.padded_cl_ord_id(),
                    options: entered.options(),
                })
            }
            (
                Command::Replace(replace),
                Some(Attached::Replace(entered @ Entered { refused: None, .. }, orig_user_ref_num)),
            ) => {
                let instrument = self.directory.instrument(replace.instrument)?;
                let orders = self.orders(input.session);
                let terms = orders.and_then(|orders| orders.terms(replace.target));
                let has_limit = terms.is_none_or(crate::orders::Terms::has_limit);
                let units = Scale::new(instrument).to_units(replace.price);
                FromClient::Replace(Replace {
                    orig_user_ref_num,
                    user_ref_num: entered.user_ref_num,
                    quantity: shares(replace.qty),
                    price: if has_limit { units } else { MARKET_PRICE },
                    time_in_force: entered.time_in_force,
                    display: entered.display,
                    iso: entered.iso,
                    cl_ord_id: entered.padded_cl_ord_id(),
                    options: entered.options(),
                })
            }
            (Command::Cancel { target }, None) => {
                let user_ref_num = user_ref(*target)?;
                FromClient::Cancel(Cancel { user_ref_num, quantity: 0, options })
            }
            (Command::Reduce(reduce), Some(Attached::Reduce { .. })) => {
                let (user_ref_num, quantity) = (user_ref(reduce.target)?, shares(reduce.qty));
                FromClient::Cancel(Cancel { user_ref_num, quantity, options })
            }
            (Command::Reduce(reduce), Some(Attached::Modify { side, .. })) => {
                let (user_ref_num, quantity) = (user_ref(reduce.target)?, shares(reduce.qty));
                FromClient::Modify(Modify { user_ref_num, side, quantity, options })
            }
            (Command::MassCancel(_), Some(Attached::MassCancel { user_ref_num, firm, symbol })) => {
                FromClient::MassCancel(MassCancel { user_ref_num, firm, symbol, options })
            }
            _ => return None,
        })
    }
}

/// What an answer says of its request, if it says all of it.
fn asked_for(answer: &FromVenue) -> Option<FromClient> {
    let options = Options::default();
    Some(match answer {
        FromVenue::DisableResponse(answer) => {
            let (user_ref_num, firm) = (answer.user_ref_num, answer.firm);
            FromClient::DisableOrderEntry(DisableOrderEntry { user_ref_num, firm, options })
        }
        FromVenue::EnableResponse(answer) => {
            let (user_ref_num, firm) = (answer.user_ref_num, answer.firm);
            FromClient::EnableOrderEntry(EnableOrderEntry { user_ref_num, firm, options })
        }
        FromVenue::AccountQueryResponse(_) => FromClient::AccountQuery(AccountQuery { options }),
        _ => return None,
    })
}
