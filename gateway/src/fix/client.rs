//! The initiator's side of a session, for our own tools and tests.
