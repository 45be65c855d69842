//! What must hold of whatever comes in from outside, as targets for a fuzzer: each takes any bytes,
//! and panics when something does not hold. `README.md` says how they are run.

mod generate;
mod parts;
mod sound;
mod targets;

use connect_api::MemoryLimit;
use peak_alloc::PeakAlloc;

pub use targets::CopyField;

/// Counts what is allocated, so that targets can say how much may be.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that a target may allocate whatever its input is: tables that are made once, schemas and
/// buffers of a usual size.
const FREE_BYTES: usize = 32 << 20;

/// A target.
#[derive(Debug)]
pub struct Target {
    /// Its name, and that of its folder in `corpus/`.
    pub name: &'static str,
    /// What it takes, and what must hold of it.
    pub about: &'static str,
    /// Bytes that may be allocated at once for each byte of the input, beside what is charged to
    /// the memory of a record.
    memory: usize,
    run: fn(&[u8]),
}

impl Target {
    /// Tries one input.
    ///
    /// # Panics
    /// When something does not hold, or it takes more memory than it may.
    pub fn check(&self, data: &[u8]) {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        // As in the worker, but for all stages together.
        let charged = MemoryLimit::DEFAULT.measure(|| (self.run)(data)).bytes;
        let peak = MEMORY.peak_usage().saturating_sub(before);
        let most = FREE_BYTES + charged + self.memory * data.len();
        assert!(
            peak <= most,
            "{}: {} bytes of input took {peak} bytes of memory, and may take {most}",
            self.name,
            data.len()
        );
    }
}

/// All targets.
pub fn all() -> &'static [Target] {
    targets::ALL
}

/// The fields of COPY that an input of the target `copy` becomes.
pub fn copy_fields(data: &[u8]) -> Vec<CopyField> {
    targets::copy_fields(data)
}

/// The target of a name.
pub fn named(name: &str) -> Option<&'static Target> {
    all().iter().find(|target| target.name == name)
}
