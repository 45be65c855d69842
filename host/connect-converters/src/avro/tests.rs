//! Tests of Avro's decode plans.
