-- Shark, in place of 002_track_activity_log.sql: the same table, partitioned by time, so that old
-- events go by dropping a partition, which takes no time and leaves nothing to vacuum.
--
-- Two things differ. The primary key is (id, event_timestamp), because Postgres wants the columns
-- that a table is partitioned by in each unique index. And a row needs a partition: one without is
-- refused (23514) and goes to the dead letter queue. `ferrule maintain` makes them ahead and drops
-- those that are past their time:
--
--   ferrule maintain --url postgresql://… --table track_activity_log \
--       --interval '1 month' --ahead 2 --retention '90 days' --every 1h
--
-- There is no default partition on purpose: with one, Postgres cannot detach others concurrently.

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_class
               WHERE oid = to_regclass('track_activity_log') AND relkind <> 'p') THEN
        RAISE EXCEPTION 'track_activity_log is there and is not partitioned'
            USING HINT = 'Move it to another schema, as its indexes go with it, run this file, and copy '
                'its rows: INSERT INTO track_activity_log SELECT * FROM old.track_activity_log.';
    END IF;
END
$$;

CREATE TABLE IF NOT EXISTS track_activity_log (
    -- Given by the database: the events carry no id of their own, so nothing here would hide an
    -- event that is written twice.
    id                   BIGSERIAL,
    track_id             VARCHAR(50)  NOT NULL,
    domain               VARCHAR(20)  NOT NULL,
    event_type           VARCHAR(50)  NOT NULL,
    activity_type        VARCHAR(100),
    kb_object_id         BIGINT,
    mode_s               VARCHAR(8),
    mmsi                 VARCHAR(9),
    event_timestamp      TIMESTAMPTZ  NOT NULL DEFAULT NOW(),
    latitude             DECIMAL(10, 7),
    longitude            DECIMAL(10, 7),
    properties           JSONB,
    associated_track_ids TEXT[],
    associated_kb_ids    BIGINT[],
    PRIMARY KEY (id, event_timestamp)
) PARTITION BY RANGE (event_timestamp);

-- The months of the last 90 days, this one, and two to come. The months are those of UTC.
DO $$
DECLARE
    month TIMESTAMP := date_trunc('month', now() AT TIME ZONE 'UTC' - INTERVAL '90 days');
BEGIN
    WHILE month <= now() AT TIME ZONE 'UTC' + INTERVAL '2 months' LOOP
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS %I PARTITION OF track_activity_log '
            'FOR VALUES FROM (%L) TO (%L)',
            'track_activity_log_p' || to_char(month, 'YYYYMMDD'),
            month::TEXT || '+00', (month + INTERVAL '1 month')::TEXT || '+00');
        month := month + INTERVAL '1 month';
    END LOOP;
END
$$;

-- Newest first, alone and within what people filter by.
CREATE INDEX IF NOT EXISTS idx_track_activity_log_time
    ON track_activity_log (event_timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_track_activity_log_track
    ON track_activity_log (track_id, event_timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_track_activity_log_domain
    ON track_activity_log (domain, event_timestamp DESC);
CREATE INDEX IF NOT EXISTS idx_track_activity_log_activity
    ON track_activity_log (activity_type, event_timestamp DESC);

-- One aircraft or one ship by its own identifier.
CREATE INDEX IF NOT EXISTS idx_track_activity_log_mode_s
    ON track_activity_log (mode_s);
CREATE INDEX IF NOT EXISTS idx_track_activity_log_mmsi
    ON track_activity_log (mmsi);

-- Any key within the free-form properties. It costs about as much to keep as all the others.
CREATE INDEX IF NOT EXISTS idx_track_activity_log_properties
    ON track_activity_log USING GIN (properties);

-- What people look at: the three queries of the monitoring page.
CREATE OR REPLACE VIEW track_activity_by_domain AS
SELECT domain, count(*) AS events
FROM track_activity_log
GROUP BY domain;

-- Of the last hour, the newest minute first. A minute without events has no row.
CREATE OR REPLACE VIEW track_activity_per_minute AS
SELECT date_trunc('minute', event_timestamp) AS minute, count(*) AS events
FROM track_activity_log
WHERE event_timestamp > now() - INTERVAL '1 hour'
GROUP BY minute
ORDER BY minute DESC;

CREATE OR REPLACE VIEW track_activity_top_types AS
SELECT activity_type, count(*) AS events
FROM track_activity_log
WHERE activity_type IS NOT NULL
GROUP BY activity_type
ORDER BY count(*) DESC, activity_type
LIMIT 10;
