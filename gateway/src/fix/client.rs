//! The initiator's side of a session.
