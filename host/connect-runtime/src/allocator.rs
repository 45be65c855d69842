//! The allocator of the whole process, librdkafka's C code included.
//!
//! glibc gives each thread that allocates while others do an arena, up to eight for each core, and
//! what is freed in one is of no use to the others and seldom goes back to the system: a worker
//! whose connectors come and go would hold twice the memory that it uses, and for ever what one
//! large record took. jemalloc gives it back by time; `.cargo/config.toml` has its settings.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
