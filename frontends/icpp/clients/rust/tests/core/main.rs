//! Plays of the core with a scripted server: no sockets, no clock, no chance.

mod elsewhere;
mod hostile;
mod login;
mod peer;
mod reliability;
mod rooms;
mod taking;
mod world;
