//! The XMPP front-end.
#![forbid(unsafe_code)]

pub mod codec;
