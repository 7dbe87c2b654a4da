//! The composition root of Vesta: configuration, threads, the core's loop, recovery and replay.
//!
//! A [`Venue`] is started from a [`Config`] and runs until it is stopped or fails. Everything it is
//! asked and everything it answers is in its journal; whatever it knows after a restart it knows from
//! there.
//!
//! The three types to know: [`Config`], [`Venue`], [`Core`].

pub mod assembly;
pub mod build;
pub mod clock;
pub mod config;
mod copier;
mod core;
pub mod credentials;
pub mod feed_thread;
mod gateway_thread;
mod glimpse_thread;
pub mod huge_pages;
mod in_force;
mod lanes;
mod market_data_thread;
pub mod named;
pub mod news;
pub mod operator;
pub mod outbound;
mod page_thread;
mod recovery;
pub mod reference;
pub mod release;
pub mod replay;
pub mod ring;
mod run;
mod schedule;
#[cfg(test)]
mod scratch;
pub mod snapshots;
pub mod threads;
pub mod tls;
pub mod turns;

pub use crate::clock::Clock;
pub use crate::config::{Config, ConfigError, Durability, Layout, Wait};
pub use crate::core::{Core, Space, Turned};
pub use crate::recovery::{Names, RecoveryError};
pub use crate::run::{
    LAZY_SYNC, PREPARE_REST_MAX, PREPARE_RESTS, Shard, StartError, Venue, default_live_dir,
};
