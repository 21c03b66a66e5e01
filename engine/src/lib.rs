//! placeholder
pub mod jid;
pub mod slots;
