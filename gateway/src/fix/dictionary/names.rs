//! What tags and message types are called, for whoever shows a message to a person.

use super::compile::NAME_AT;
use super::{Dictionary, NOWHERE};

impl Dictionary {
    /// The name of a field that is listed, such as `ClOrdID` for 11.
    #[must_use]
    pub fn field_name(&self, tag: u32) -> Option<&'static str> {
        let place = self.rule(tag).place;
        if place == NOWHERE {
            return None;
        }
        std::str::from_utf8(NAME_AT.get(usize::from(place))?).ok()
    }

    /// The name of a message that we take or send, such as `NewOrderSingle` for D.
    #[must_use]
    pub fn message_name(&self, msg_type: &[u8]) -> Option<&'static str> {
        std::str::from_utf8(self.definition(msg_type)?.name).ok()
    }
}
