//! What a sink that keeps offsets says of its target.

use connect_api::{LostOffsets, SinkOffsets, TargetHistory};

/// A target that has offsets of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name that no other target has.
    pub name: String,
    /// How far its history had come before partitions were opened, if it says so.
    pub history: Option<TargetHistory>,
    /// Where a partition goes on whose offset it has lost.
    pub lost_offsets: LostOffsets,
}

impl Target {
    /// The target in which partitions were opened. None: the sink keeps no offsets there.
    pub(super) fn of(offsets: &dyn SinkOffsets) -> Option<Self> {
        Some(Self {
            name: offsets.target()?.to_owned(),
            history: offsets.history(),
            lost_offsets: offsets.lost_offsets(),
        })
    }
}
