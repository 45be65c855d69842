//! Converters: bytes to Connect data, with the Schema Registry client.
