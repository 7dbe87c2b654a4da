//! What is broken on purpose in what the venue sends: messages that are lost, or have another one's number.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gateway::fix::{Fields, Message, decode, tag};

use super::faults::Sabotage;
use super::net::Filter;

/// A sabotage of what the venue sends.
pub(super) fn filter(sabotage: Option<Sabotage>, restarted: &Rc<Cell<bool>>) -> Option<Filter> {
    let restarted = Rc::clone(restarted);
    match sabotage? {
        Sabotage::DropResend => Some(Rc::new(RefCell::new(|_, bytes: &[u8]| {
            each_message(bytes, |message| {
                let number = number_of(message);
                let again = message.get(tag::POSS_DUP_FLAG) == Some(b"Y");
                let lost = again && message.msg_type() == b"8" && number.is_multiple_of(5);
                (!lost).then(|| message.bytes().to_vec())
            })
        }))),
        Sabotage::ReuseNumber => Some(Rc::new(RefCell::new(move |_, bytes: &[u8]| {
            each_message(bytes, |message| {
                let number = number_of(message);
                let fresh = message.get(tag::POSS_DUP_FLAG).is_none() && message.msg_type() == b"8";
                if fresh && !number.is_multiple_of(10) && restarted.replace(false) {
                    return Some(renumbered(message.bytes(), number, number - 1));
                }
                Some(message.bytes().to_vec())
            })
        }))),
        Sabotage::SkipSync | Sabotage::EarlyRelease | Sabotage::TimerTwice => None,
    }
}

fn number_of(message: &Message<'_>) -> u64 {
    let text = message.get(tag::MSG_SEQ_NUM).unwrap_or_default();
    String::from_utf8_lossy(text).parse().unwrap_or(0)
}

fn each_message(bytes: &[u8], mut change: impl FnMut(&Message<'_>) -> Option<Vec<u8>>) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    let mut fields = Fields::new();
    while at < bytes.len() {
        match decode(&bytes[at..], &mut fields) {
            Ok((message, len)) => {
                out.extend(change(&message).unwrap_or_default());
                at += len;
            }
            // Not FIX: the feed.
            Err(_) => {
                out.extend_from_slice(&bytes[at..]);
                break;
            }
        }
    }
    out
}

/// The same message with another number and the checksum that goes with it.
fn renumbered(message: &[u8], from: u64, to: u64) -> Vec<u8> {
    let text = String::from_utf8_lossy(message).into_owned();
    let text = text.replacen(&format!("\u{1}34={from}\u{1}"), &format!("\u{1}34={to}\u{1}"), 1);
    let body = &text.as_bytes()[..text.len() - 7];
    let sum = body.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    let mut out = body.to_vec();
    out.extend_from_slice(format!("10={sum:03}\u{1}").as_bytes());
    out
}
