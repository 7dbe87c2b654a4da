//! Tests of the venue: through rings, journals, sockets and processes, as its users reach it.

mod config;
mod folder;
mod replay;
mod turns;
