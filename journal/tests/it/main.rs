//! What a venue, and the day after a crash, can see of a journal.

mod append;
mod support;
