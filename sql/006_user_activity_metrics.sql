-- User analytics: users and page views of each half minute, from incoming.user_activity.
--
-- A row is an interval of all partitions together: user-activity-merge brings these together in a
-- topic of one partition, where each user of an interval is counted once. A row is written when its
-- interval is over and at each hundredth message of it, and again when late messages come: the
-- numbers are those of all messages so far.

CREATE TABLE IF NOT EXISTS user_activity_metrics (
    id              SERIAL    PRIMARY KEY,
    -- When the interval began.
    timestamp       TIMESTAMP NOT NULL,
    unique_users    INTEGER   NOT NULL,
    page_view_count BIGINT    NOT NULL,
    created_at      TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

-- An interval has one row.
CREATE UNIQUE INDEX IF NOT EXISTS user_activity_metrics_interval
    ON user_activity_metrics (timestamp);

-- The same, newest first, with the end of each interval.
DROP VIEW IF EXISTS user_activity_by_interval;
CREATE VIEW user_activity_by_interval AS
SELECT timestamp                          AS interval_start,
       timestamp + INTERVAL '30 seconds'  AS interval_end,
       unique_users,
       page_view_count
FROM user_activity_metrics
ORDER BY timestamp DESC;
