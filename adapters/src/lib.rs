//! The technologies behind the ports of Voxledger: a folder a port, a file a technology.

pub mod telephony;
