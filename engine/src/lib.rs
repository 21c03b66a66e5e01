//! placeholder
pub mod jid;
pub mod slots;
pub mod mailbox;
pub mod rt;
