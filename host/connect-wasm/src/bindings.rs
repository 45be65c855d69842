//! The contract in Rust: what wasmtime's `bindgen!` makes of `wit/`.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "transform",
    imports: { default: trappable },
    // What goes to a guest borrows from the batch; what comes back is owned.
    ownership: Borrowing { duplicate_if_necessary: true },
});
