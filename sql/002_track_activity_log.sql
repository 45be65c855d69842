-- Shark: what was observed about aircraft and ships, from the topic activity-events.

CREATE TABLE IF NOT EXISTS track_activity_log (
    -- Given by the database: the events carry no id of their own, so nothing here would hide an
    -- event that is written twice.
    id                   BIGSERIAL PRIMARY KEY,
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
    associated_kb_ids    BIGINT[]
);

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
