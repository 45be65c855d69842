-- FleetOps: anomalies found in vehicle telemetry and the alerts that operators work on, from the
-- topics anomalies and operator_alerts. The columns are the fields of the topics' messages.

CREATE TABLE IF NOT EXISTS anomalies (
    anomaly_id      UUID        PRIMARY KEY,
    -- The telemetry event that gave rise to it.
    event_id        UUID        NOT NULL,
    vehicle_id      TEXT        NOT NULL,
    event_time      TIMESTAMPTZ NOT NULL,
    processing_time TIMESTAMPTZ NOT NULL,
    anomaly_type    TEXT        NOT NULL,
    severity        TEXT        NOT NULL CHECK (severity IN ('INFO', 'WARNING', 'CRITICAL')),
    triggered_rule  TEXT,
    -- Each rule has features, thresholds and evidence of its own.
    features        JSONB,
    thresholds      JSONB,
    evidence        JSONB
);

CREATE INDEX IF NOT EXISTS idx_anomalies_vehicle ON anomalies (vehicle_id, event_time DESC);

CREATE TABLE IF NOT EXISTS operator_alerts (
    alert_id             UUID        PRIMARY KEY,
    -- No foreign key: the two topics are drained side by side, and an alert may come first.
    anomaly_id           UUID        NOT NULL,
    vehicle_id           TEXT        NOT NULL,
    event_time           TIMESTAMPTZ NOT NULL,
    processing_time      TIMESTAMPTZ NOT NULL,
    alert_status         TEXT        NOT NULL
        CHECK (alert_status IN ('OPEN', 'ACKNOWLEDGED', 'RESOLVED', 'DISMISSED')),
    severity             TEXT        NOT NULL CHECK (severity IN ('INFO', 'WARNING', 'CRITICAL')),
    anomaly_type         TEXT        NOT NULL,
    -- Null until somebody takes it.
    assigned_operator_id TEXT,
    created_at           TIMESTAMPTZ NOT NULL
);

CREATE INDEX IF NOT EXISTS idx_operator_alerts_anomaly ON operator_alerts (anomaly_id);
CREATE INDEX IF NOT EXISTS idx_operator_alerts_vehicle
    ON operator_alerts (vehicle_id, event_time DESC);
