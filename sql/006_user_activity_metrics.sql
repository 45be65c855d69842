-- User analytics: users and page views counted over a window, from incoming.user_activity.

CREATE TABLE IF NOT EXISTS user_activity_metrics (
    id              SERIAL    PRIMARY KEY,
    -- The window that the counts belong to.
    timestamp       TIMESTAMP NOT NULL,
    unique_users    INTEGER   NOT NULL,
    page_view_count BIGINT    NOT NULL,
    created_at      TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
