//! Whose offsets they are.

/// Whose offsets they are. An offset means something for one consumer group of one Kafka cluster:
/// two connectors of a name that write to one target share none, unless they are one reader for
/// Kafka too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetScope {
    /// The id of the Kafka cluster (KIP-78); [`OffsetScope::NO_ID`] where it has none.
    pub cluster: String,
    /// The consumer group.
    pub group: String,
}

impl OffsetScope {
    /// The id of a Kafka cluster that tells none.
    pub const NO_ID: &'static str = "-";
}
