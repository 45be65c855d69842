-- FleetOps: anomalies found in vehicle telemetry, and the alerts that operators work on. The columns
-- are the fields of the topics' messages.

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

-- Alerts as they stand: the last message of each in the topic operator_alerts.
CREATE TABLE IF NOT EXISTS operator_alerts (
    alert_id             UUID        PRIMARY KEY,
    anomaly_id           UUID        NOT NULL,
    vehicle_id           TEXT        NOT NULL,
    event_time           TIMESTAMPTZ NOT NULL,
    -- Of its last step.
    processing_time      TIMESTAMPTZ NOT NULL,
    alert_status         TEXT        NOT NULL DEFAULT 'OPEN'
        CHECK (alert_status IN ('OPEN', 'ACKNOWLEDGED', 'RESOLVED', 'DISMISSED')),
    severity             TEXT        NOT NULL CHECK (severity IN ('INFO', 'WARNING', 'CRITICAL')),
    anomaly_type         TEXT        NOT NULL,
    -- From the last action; null until there is one.
    assigned_operator_id TEXT,
    created_at           TIMESTAMPTZ NOT NULL
);

CREATE INDEX IF NOT EXISTS idx_operator_alerts_anomaly ON operator_alerts (anomaly_id);
CREATE INDEX IF NOT EXISTS idx_operator_alerts_vehicle
    ON operator_alerts (vehicle_id, event_time DESC);

-- Each step of an alert, as its message tells it.
CREATE TABLE IF NOT EXISTS operator_alert_history (
    -- The alert's id for its opening, the action's id for an action, an id of its own where the
    -- severity of the anomaly has risen.
    entry_id        UUID        PRIMARY KEY,
    alert_id        UUID        NOT NULL,
    vehicle_id      TEXT        NOT NULL,
    -- What the alert was after the step.
    alert_status    TEXT        NOT NULL
        CHECK (alert_status IN ('OPEN', 'ACKNOWLEDGED', 'RESOLVED', 'DISMISSED')),
    processing_time TIMESTAMPTZ NOT NULL,
    anomaly_id      UUID,
    event_time      TIMESTAMPTZ,
    severity        TEXT,
    anomaly_type    TEXT,
    action_id       UUID,
    action_type     TEXT
        CHECK (action_type IN ('ACKNOWLEDGE', 'RESOLVE', 'DISMISS', 'INTERVENE')),
    operator_id     TEXT,
    metadata        JSONB
);

CREATE INDEX IF NOT EXISTS idx_operator_alert_history_alert
    ON operator_alert_history (alert_id, processing_time);

-- Alerts as they stand, with what operators last did.
CREATE OR REPLACE VIEW operator_alerts_current AS
SELECT a.*, h.last_action_type, h.last_action_at, h.intervened_at
FROM operator_alerts a
LEFT JOIN LATERAL (
    SELECT (array_agg(action_type ORDER BY processing_time DESC))[1]               AS last_action_type,
           max(processing_time)                                                   AS last_action_at,
           max(processing_time) FILTER (WHERE action_type = 'INTERVENE')          AS intervened_at
    FROM operator_alert_history
    WHERE alert_id = a.alert_id AND action_id IS NOT NULL
) h ON true;
