-- IoT: decoded measurements of devices, from the topic decoded_iot_data.

CREATE TABLE IF NOT EXISTS iot_measurements (
    timestamp      TIMESTAMPTZ  NOT NULL,
    device_id      VARCHAR(50)  NOT NULL,
    connector_mode VARCHAR(50)  NOT NULL,
    component_type VARCHAR(50)  NOT NULL,
    -- Part of the key and so never null: a device without pins has '-1'.
    pin_position   VARCHAR(10),
    value          DOUBLE PRECISION,
    unit           VARCHAR(20),
    topic          VARCHAR(255),
    PRIMARY KEY (timestamp, device_id, connector_mode, component_type, pin_position)
);

-- With TimescaleDB in this database the table is cut into chunks by time; without it the same
-- table works, only that old data is dropped by DELETE and not chunk by chunk.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable('iot_measurements', 'timestamp', if_not_exists => TRUE);
    END IF;
END
$$;

CREATE INDEX IF NOT EXISTS idx_iot_device_id ON iot_measurements (device_id, timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_iot_component ON iot_measurements (component_type, timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_iot_mode ON iot_measurements (connector_mode, timestamp DESC);
