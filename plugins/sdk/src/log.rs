//! Lines for the worker's log, which adds connector, task, transform and plugin. No line may tell
//! a record's values.

pub use crate::bindings::ferrule::transform::log::Level;

/// A line of this level. What is over 1 KiB is cut.
pub fn line(level: Level, message: impl AsRef<str>) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::ferrule::transform::log::log(level, message.as_ref());
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::world(|world| world.lines.push((level, message.as_ref().to_owned())));
}

/// A line of level trace.
pub fn trace(message: impl AsRef<str>) {
    line(Level::Trace, message);
}

/// A line of level debug.
pub fn debug(message: impl AsRef<str>) {
    line(Level::Debug, message);
}

/// A line of level info.
pub fn info(message: impl AsRef<str>) {
    line(Level::Info, message);
}

/// A line of level warn.
pub fn warn(message: impl AsRef<str>) {
    line(Level::Warn, message);
}

/// A line of level error.
pub fn error(message: impl AsRef<str>) {
    line(Level::Error, message);
}
