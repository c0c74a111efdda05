//! `tollgate demo`, and the laboratory that it is made of.
pub mod access_log;
pub mod client;
pub mod envoy;
pub mod files;
pub mod pki;
pub mod process;
pub mod tokens;
pub mod tollgate;
pub mod upstream;
