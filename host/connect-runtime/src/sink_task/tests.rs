//! Tests of the loop on a scripted consumer and a scripted sink.
