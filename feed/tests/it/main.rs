//! Everything the feed promises, seen from outside.

// clippy.toml lets tests unwrap, but does not take the helpers of an integration test for tests.
#![allow(clippy::unwrap_used)]

mod codec;
mod decoders;
mod documents;
mod engine;
mod hostile;
mod mirror;
mod mold;
mod publisher;
mod receiver;
mod samples;
mod scripts;
mod special;
mod support;
mod text;
mod window;
