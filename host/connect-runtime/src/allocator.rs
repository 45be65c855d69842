//! glibc's allocator, told to keep few arenas.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Read by glibc before the program begins, so that it is too late to set it within.
const ARENAS: &str = "MALLOC_ARENA_MAX";

/// Starts the program anew, as the same process, with two arenas, unless the user has set a number.
///
/// By default each thread that allocates while others do gets an arena, up to eight a core, and
/// what is freed in one is of no use to the others: a worker whose connectors come and go would
/// hold twice the memory that it uses (tests/bench/README.md).
pub(crate) fn few_arenas() {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) || env::var_os(ARENAS).is_some() {
        return;
    }
    let mut args = env::args_os();
    if let (Ok(program), Some(name)) = (env::current_exe(), args.next()) {
        // It returns only when it cannot; then the worker runs all the same, with more memory.
        let error = Command::new(program)
            .arg0(name)
            .args(args)
            .env(ARENAS, "2")
            .exec();
        eprintln!("ferrule: cannot limit the allocator's arenas: {error}");
    }
}
