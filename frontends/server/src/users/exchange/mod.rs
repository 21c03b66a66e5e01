//! XEP-0227: accounts with all that belongs to them, out of this server and into it, by the command line.
//!
//! The codec of the elements is the XMPP front-end's (`crosspoint_xmpp::exchange`); here are the files ([`split`]), the place
//! where the data lies ([`vault`]), and the two ways ([`export`], [`import`]).
//!
//! Invariant: the server does not run meanwhile: all of an account is of one moment.

pub mod export;
pub mod import;
pub mod split;
pub mod vault;

#[cfg(test)]
mod tests;
