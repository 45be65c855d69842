-- User analytics: users and page views counted over windows, from incoming.user_activity.
--
-- A row is a window of one partition: windows follow each other within a partition and close by
-- their own count, so that those of different partitions do not fall together. No user counts twice
-- in a row.

CREATE TABLE IF NOT EXISTS user_activity_metrics (
    id              SERIAL    PRIMARY KEY,
    -- When the window began.
    timestamp       TIMESTAMP NOT NULL,
    unique_users    INTEGER   NOT NULL,
    page_view_count BIGINT    NOT NULL,
    created_at      TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);

-- The windows of all partitions that began in the same half minute. Page views add up exactly.
-- Users are the sum over the windows: a topic keyed by user_id has no user on two partitions, but
-- one who was active in several windows of the half minute counts in each.
CREATE OR REPLACE VIEW user_activity_by_interval AS
SELECT date_bin('30 seconds', timestamp, TIMESTAMP '2000-01-01') AS interval_start,
       count(*)                                                  AS windows,
       sum(unique_users)::bigint                                 AS users_at_most,
       sum(page_view_count)::bigint                              AS page_view_count
FROM user_activity_metrics
GROUP BY interval_start;
