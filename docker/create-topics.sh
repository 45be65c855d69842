#!/usr/bin/env bash
# Creates the topics of the five example systems. Topics that exist are left as they are.
#
#   create-topics.sh [BOOTSTRAP_SERVER]      localhost:9092 when not given
#
# kafka-topics.sh, which comes with Kafka, must be on the PATH.
set -euo pipefail

bootstrap=${1:-localhost:9092}
day=$((24 * 60 * 60 * 1000))

topic() {
    local name=$1 partitions=$2 setting
    shift 2
    local settings=()
    for setting in "$@"; do settings+=(--config "$setting"); done
    kafka-topics.sh --bootstrap-server "$bootstrap" --create --if-not-exists \
        --topic "$name" --partitions "$partitions" --replication-factor 1 "${settings[@]}"
}

# Shark: activity of aircraft and ships.
topic activity-events 3 retention.ms=$((7 * day)) compression.type=snappy
topic activity-events-dlq 1 retention.ms=$((30 * day))

# Astro BEAM: telescopes.
topic telescope.commands 1 retention.ms=$((7 * day))
topic telescope.acknowledgments 1 retention.ms=$((7 * day))
topic telescope.data 1 retention.ms=$((30 * day))
topic telescope.status 1 retention.ms=$((3 * day))

# FleetOps: vehicles, keyed by vehicle so that each one's records stay in order.
topic raw_telemetry 6
topic anomalies 6
topic operator_alerts 3
topic operator_actions 3
# Where anomalies and actions come together and are put in order: one partition.
topic operator_alert_events 1 retention.ms=$((7 * day))
topic operator_alert_history 3

# IoT measurements. Its document names no number of partitions.
topic decoded_iot_data 1

# User analytics: a partition for each of its three workers.
topic incoming.user_activity 3
# Where its partitions come together, so that users are counted in one place: one partition.
topic user_activity_merged 1 retention.ms=$((7 * day))
