//! Compiles `proto/` with a compiler written in Rust, so that a build needs no protoc.

use std::io::{Error, Result};

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["proto/tollgate/v1/decision.proto"], ["proto"]).map_err(Error::other)?;
    prost_build::Config::new().compile_fds(files)
}
