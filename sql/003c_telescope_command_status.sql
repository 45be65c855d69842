-- Astro BEAM: one row for each command, with what became of it. The plugin correlate fills it from
-- two topics: a command, its time-out and its acknowledgments each set columns of their own, in any
-- order, and the state is made of them here.

CREATE TABLE IF NOT EXISTS telescope_command_status (
    command_id           VARCHAR(255) PRIMARY KEY,
    telescope_id         VARCHAR(255),
    command_type         VARCHAR(100),
    -- Of the command; null for an acknowledgment of a command that is not known, or not yet.
    sent_at              TIMESTAMPTZ,
    due_at               TIMESTAMPTZ,
    -- Of the first acknowledgment and of the last one, which tells the status.
    acknowledged_at      TIMESTAMPTZ,
    last_acknowledged_at TIMESTAMPTZ,
    acknowledgments      BIGINT,
    status               VARCHAR(50),
    message              TEXT,
    -- Set by the clock once the command is due, whether it was acknowledged or not.
    timed_out_at         TIMESTAMPTZ,

    latency_ms           BIGINT GENERATED ALWAYS AS
        ((extract(EPOCH FROM acknowledged_at - sent_at) * 1000)::BIGINT) STORED,
    is_late              BOOLEAN GENERATED ALWAYS AS (acknowledged_at > due_at) STORED,
    state                TEXT GENERATED ALWAYS AS (
        CASE
            WHEN sent_at IS NULL THEN 'unknown_command'
            WHEN acknowledged_at <= due_at THEN 'acknowledged'
            -- An acknowledgment that comes late is recorded, and changes nothing of that.
            WHEN acknowledged_at > due_at OR timed_out_at >= due_at THEN 'timed_out'
            ELSE 'waiting'
        END) STORED
);

CREATE INDEX IF NOT EXISTS idx_telescope_command_status_state
    ON telescope_command_status (state, sent_at DESC);

-- Commands that nobody has acknowledged, those first that are due first.
CREATE OR REPLACE VIEW telescope_commands_open AS
SELECT now() - sent_at AS age, due_at < now() AS is_overdue, *
FROM telescope_command_status
WHERE sent_at IS NOT NULL AND acknowledged_at IS NULL
ORDER BY due_at;
