//! What a session is agreed on, and what it asks of the gateway around it.

use std::fmt;

use matcher::{Command, MsgSeqNum};

use super::UnknownTags;
use crate::fix::decode::{Fault, Message};
use crate::fix::identity::Identity;
use crate::fix::version::Versions;
use crate::zone::Recurring;

/// Which rules count where those of the FIX session test cases are worse for both sides than ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conduct {
    /// Ours.
    #[default]
    Venue,
    /// Those of the definitions: a wrong BodyLength(9) takes the next message along, a silent connection is
    /// closed without a Logout(5).
    Conformance,
}

/// What the venue has agreed with a counterparty.
#[derive(Clone)]
pub struct Profile {
    /// The two ends, in the version that the session's numbers belong to.
    pub identity: Identity,
    /// The versions that a Logon may begin to speak.
    pub versions: Versions,
    /// Username(553) of the Logon, `None` if none is asked for.
    pub username: Option<Vec<u8>>,
    /// Password(554) of the Logon, `None` if none is asked for.
    pub password: Option<Vec<u8>>,
    /// Smallest HeartBtInt(108), seconds; 0 lets a peer do without heartbeats.
    pub heartbeat_s_min: u32,
    /// Largest HeartBtInt(108), seconds.
    pub heartbeat_s_max: u32,
    /// How far SendingTime(52) may be from our clock, seconds.
    pub latency_s_max: u32,
    /// Tags that are not defined.
    pub unknown_tags: UnknownTags,
    /// Ours, or the test cases'.
    pub conduct: Conduct,
    /// When numbers start again by the clock, `None`: never.
    pub resets: Option<Recurring>,
}

impl fmt::Debug for Profile {
    /// Everything but the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("identity", &self.identity)
            .field("versions", &self.versions)
            .field("heartbeat_s_min", &self.heartbeat_s_min)
            .field("heartbeat_s_max", &self.heartbeat_s_max)
            .field("latency_s_max", &self.latency_s_max)
            .field("unknown_tags", &self.unknown_tags)
            .field("conduct", &self.conduct)
            .field("resets", &self.resets)
            .finish_non_exhaustive()
    }
}

/// Why a Logon is not answered: the connection is closed in silence, the reason is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogonRefusal {
    /// MsgType(35) is not A.
    NotLogon,
    /// BeginString(8) is none that the session may have.
    BeginString,
    /// BeginString(8) is not that of the session's numbers, and they are not reset.
    OtherVersion,
    /// Its numbers start again at this very moment.
    Resetting,
    /// DefaultApplVerID(1137) is not that of FIX 5.0 SP2.
    ApplVersion,
    /// SenderCompID(49) or TargetCompID(56) is not that of the session.
    CompId,
    /// Another connection speaks for this session.
    AlreadyConnected,
    /// A field is missing or malformed.
    Field(Fault),
    /// SendingTime(52) is too far from our clock.
    SendingTime,
    /// EncryptMethod(98) is not 0.
    EncryptMethod,
    /// HeartBtInt(108) is outside the bounds.
    HeartBtInt,
    /// Username(553) or Password(554) is wrong.
    Credentials,
    /// ResetSeqNumFlag(141)=Y with a MsgSeqNum(34) or a NextExpectedMsgSeqNum(789) other than 1.
    ResetNumber,
}

impl fmt::Display for LogonRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogonRefusal::NotLogon => "first message is no Logon",
            LogonRefusal::BeginString => "BeginString(8) is none that the session may have",
            LogonRefusal::OtherVersion => {
                "BeginString(8) is not that of the session's numbers: reset them (141=Y) to change it"
            }
            LogonRefusal::Resetting => "the session's numbers start again at this moment",
            LogonRefusal::ApplVersion => "DefaultApplVerID(1137) is not 9, FIX 5.0 SP2",
            LogonRefusal::CompId => {
                "SenderCompID(49) or TargetCompID(56) is not that of the session"
            }
            LogonRefusal::AlreadyConnected => "session is connected already",
            LogonRefusal::Field(fault) => {
                return match fault.tag {
                    Some(tag) => write!(f, "tag {tag} of the Logon: {}", fault.reason.text()),
                    None => write!(f, "Logon: {}", fault.reason.text()),
                };
            }
            LogonRefusal::SendingTime => "SendingTime(52) is too far from our clock",
            LogonRefusal::EncryptMethod => "EncryptMethod(98) is not 0",
            LogonRefusal::HeartBtInt => "HeartBtInt(108) is outside the bounds of the session",
            LogonRefusal::Credentials => "Username(553), Password(554) or RawData(96) is wrong",
            LogonRefusal::ResetNumber => {
                "ResetSeqNumFlag(141)=Y with MsgSeqNum(34) or NextExpectedMsgSeqNum(789) other than 1"
            }
        })
    }
}

impl std::error::Error for LogonRefusal {}

/// What has become of NewPassword(925) of a Logon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewPassword {
    /// It is the password now.
    Done,
    /// It is not, for this reason.
    Refused(&'static str),
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Nothing was received for 2.4 times HeartBtInt(108), in spite of a TestRequest.
    Silent,
    /// Logouts were exchanged.
    LoggedOut,
    /// Our Logout was not answered.
    LogoutTimeout,
    /// [`super::Session::check_logon`] refused. Never given by a session: it is for the gateway's own use.
    LogonRefused,
}

/// What to do with the connection after a note.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Go on.
    Open,
    /// Close it as soon as everything is written.
    CloseWhenWritten,
}

/// What order entry did with an application message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken<'m> {
    /// It submitted an Input that carries the message's number.
    Submitted,
    /// Nothing to do (a PossResend of an order that is known).
    Ignored,
    /// To be answered by Reject(3).
    Reject {
        /// RefTagID(371).
        tag: u32,
        /// SessionRejectReason(373).
        reason: u16,
    },
    /// To be answered by BusinessMessageReject(j).
    BusinessReject {
        /// BusinessRejectReason(380).
        reason: u16,
        /// Text(58).
        text: &'static str,
        /// BusinessRejectRefID(379), may be empty.
        ref_id: &'m [u8],
    },
}

/// What a session asks of the gateway around it.
pub trait Shell {
    /// Gives `command` to the core. `inbound` is the number it answers for, or `NONE`. One call into a
    /// session makes at most four of these.
    fn submit(&mut self, inbound: MsgSeqNum, command: &Command, attachment: &[u8]);

    /// Gives an application message, checked against the dictionary, to order entry.
    fn application<'m>(
        &mut self,
        inbound: MsgSeqNum,
        message: &Message<'m>,
        poss_resend: bool,
    ) -> Taken<'m>;

    /// Sends the messages `begin` to `end` again, both included; `end` is at most the last one sent.
    fn resend(&mut self, begin: MsgSeqNum, end: MsgSeqNum);

    /// Closes the connection at once.
    fn close(&mut self, why: CloseReason);
}
