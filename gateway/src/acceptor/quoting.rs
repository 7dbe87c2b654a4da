//! Quote messages of a session: many Inputs of one message.

use matcher::MsgSeqNum;

use super::serve::FixShell;
use super::{ROOM_FOR_ORDERS, ROOM_MIN, Requests, rights};
use crate::fix::{Message, Taken, tag};
use crate::order_entry::Quoted;
use crate::order_entry::quotes::{QUOTE_ENTRIES_MAX, QUOTED_MAX};

/// Room in the ring that a quote message may need: both sides of every entry off and on, or all quotes off.
const ROOM_FOR_QUOTES: usize = ROOM_FOR_ORDERS + ROOM_MIN + 2 * QUOTED_MAX;

const _: () = assert!(4 * QUOTE_ENTRIES_MAX + 2 <= 2 * QUOTED_MAX + ROOM_MIN);

/// Whether a message waits in its socket until there is room for all that it becomes. One that was kept behind a gap is refused
/// instead: `venue is busy`.
#[inline]
pub(super) fn lacks_room(message: &Message<'_>, room: usize) -> bool {
    room < ROOM_FOR_QUOTES && matches!(message.msg_type(), b"i" | b"Z" | b"a")
}

impl<R: Requests> FixShell<'_, R> {
    /// Takes a MassQuote(i), a QuoteCancel(Z) or a QuoteStatusRequest(a).
    #[cold]
    pub(super) fn quote<'m>(
        &mut self,
        inbound: MsgSeqNum,
        message: &Message<'m>,
        poss_resend: bool,
    ) -> Taken<'m> {
        if !self.rights.quote {
            let (text, reason) = ("this session may not quote", rights::NOT_AUTHORIZED);
            let ref_id = message.get(tag::QUOTE_ID).unwrap_or_default();
            return Taken::BusinessReject { reason, text, ref_id };
        }
        let watches = matches!(message.get(tag::SUBSCRIPTION_REQUEST_TYPE), Some(b"1" | b"2"));
        if message.msg_type() == b"a" && watches {
            return self.watch_quotes(inbound, message, poss_resend);
        }
        let again = poss_resend || message.get(tag::POSS_DUP_FLAG) == Some(b"Y");
        let room = self.requests.room().saturating_sub(ROOM_FOR_ORDERS);
        let rights = self.rights;
        let may_quote = |symbol: &[u8]| rights.may_trade(symbol);
        let quoted = match message.msg_type() {
            b"a" => self.entry.quote_status(self.session, message, room),
            _ => self.entry.quote(self.session, message, again, room, &may_quote),
        };
        match quoted {
            Quoted::Reject { tag, reason } => Taken::Reject { tag, reason },
            Quoted::Inputs(inputs) => {
                let last = inputs.len().saturating_sub(1);
                for (index, (command, attachment)) in inputs.iter().enumerate() {
                    // With the last one the message is dealt with, also after a restart.
                    let inbound = if index == last { inbound } else { MsgSeqNum::NONE };
                    self.requests.submit(self.session, inbound, command, attachment);
                }
                Taken::Submitted
            }
        }
    }
}
