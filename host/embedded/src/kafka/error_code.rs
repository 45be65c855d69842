//! Kafka's error codes, as many as this broker answers with.

/// An error code of Kafka's protocol; the names and numbers are Kafka's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(i16)]
pub(super) enum ErrorCode {
    OffsetOutOfRange = 1,
    CorruptMessage = 2,
    UnknownTopicOrPartition = 3,
    MessageTooLarge = 10,
    InvalidTopic = 17,
    InvalidRequiredAcks = 21,
    IllegalGeneration = 22,
    InconsistentGroupProtocol = 23,
    InvalidGroupId = 24,
    UnknownMemberId = 25,
    InvalidSessionTimeout = 26,
    RebalanceInProgress = 27,
    UnsupportedVersion = 35,
    TopicAlreadyExists = 36,
    InvalidPartitions = 37,
    InvalidReplicationFactor = 38,
    InvalidConfig = 40,
    InvalidRequest = 42,
    UnsupportedForMessageFormat = 43,
    OutOfOrderSequenceNumber = 45,
    InvalidProducerEpoch = 47,
    InvalidTxnState = 48,
    InvalidProducerIdMapping = 49,
    InvalidTransactionTimeout = 50,
    NonEmptyGroup = 68,
    GroupIdNotFound = 69,
    MemberIdRequired = 79,
    GroupSubscribedToTopic = 86,
    UnstableOffsetCommit = 88,
    ProducerFenced = 90,
}

impl ErrorCode {
    /// The number that is sent.
    pub(super) fn code(self) -> i16 {
        self as i16
    }

    /// The code of an outcome.
    pub(super) fn of<T>(outcome: &Result<T, Self>) -> i16 {
        outcome.as_ref().err().copied().map_or(0, Self::code)
    }
}
