-- IoT on plain Postgres, in place of 004_iot_measurements.sql: the same table, partitioned by time, so
-- that old measurements go by dropping a partition. The primary key is the same, as the time is part
-- of it. A row without a partition is refused (23514) and goes to the dead letter queue; `ferrule
-- maintain` makes them ahead and drops those that are past their time:
--
--   ferrule maintain --url postgresql://… --table iot_measurements \
--       --interval '7 days' --ahead 2 --retention '90 days' --every 1h

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_class
               WHERE oid = to_regclass('iot_measurements') AND relkind <> 'p') THEN
        RAISE EXCEPTION 'iot_measurements is there and is not partitioned'
            USING HINT = 'Move it to another schema, as its indexes go with it, run this file, and copy '
                'its rows: INSERT INTO iot_measurements SELECT * FROM old.iot_measurements.';
    END IF;
END
$$;

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
) PARTITION BY RANGE (timestamp);

-- The weeks of the last 90 days, this one, and two to come. A week begins on Monday, in UTC.
DO $$
DECLARE
    week TIMESTAMP := date_trunc('week', now() AT TIME ZONE 'UTC' - INTERVAL '90 days');
BEGIN
    WHILE week <= now() AT TIME ZONE 'UTC' + INTERVAL '14 days' LOOP
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS %I PARTITION OF iot_measurements '
            'FOR VALUES FROM (%L) TO (%L)',
            'iot_measurements_p' || to_char(week, 'YYYYMMDD'),
            week::TEXT || '+00', (week + INTERVAL '7 days')::TEXT || '+00');
        week := week + INTERVAL '7 days';
    END LOOP;
END
$$;

CREATE INDEX IF NOT EXISTS idx_iot_device_id ON iot_measurements (device_id, timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_iot_component ON iot_measurements (component_type, timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_iot_mode ON iot_measurements (connector_mode, timestamp DESC);
