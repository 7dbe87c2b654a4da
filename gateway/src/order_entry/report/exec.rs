//! ExecType(150), and the values that it shares with OrdStatus(39).

pub(super) const NEW: u8 = b'0';
pub(super) const PARTIALLY_FILLED: u8 = b'1';
pub(super) const FILLED: u8 = b'2';
pub(super) const CANCELED: u8 = b'4';
pub(super) const REPLACED: u8 = b'5';
pub(super) const REJECTED: u8 = b'8';
pub(super) const EXPIRED: u8 = b'C';
pub(super) const TRADE: u8 = b'F';
pub(super) const STATUS: u8 = b'I';
pub(super) const RESTATED: u8 = b'D';
pub(super) const TRADE_CANCEL: u8 = b'H';
pub(super) const TRIGGERED: u8 = b'L';
