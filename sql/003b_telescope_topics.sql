-- Astro BEAM: commands, their acknowledgments and the states of telescopes, each from its Avro topic.
-- The observation data is in 003_telescope_data_raw.sql.

CREATE TABLE IF NOT EXISTS telescope_commands (
    -- The control center's own id: a command that is sent again replaces itself.
    command_id     VARCHAR(255) PRIMARY KEY,
    telescope_id   VARCHAR(255) NOT NULL,
    command_type   VARCHAR(100) NOT NULL,
    parameters     JSONB        NOT NULL DEFAULT '{}',
    observation_id VARCHAR(255),
    priority       INTEGER      NOT NULL DEFAULT 0,
    issued_by      VARCHAR(255),
    issued_at      TIMESTAMPTZ  NOT NULL,
    expires_at     TIMESTAMPTZ,
    sink_timestamp TIMESTAMPTZ  NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX IF NOT EXISTS idx_telescope_commands_telescope
    ON telescope_commands (telescope_id, issued_at DESC);

CREATE TABLE IF NOT EXISTS telescope_acknowledgments (
    acknowledgment_id VARCHAR(255) PRIMARY KEY,
    -- No foreign key: topics do not wait for each other, so that it may be here before its command.
    command_id        VARCHAR(255) NOT NULL,
    telescope_id      VARCHAR(255) NOT NULL,
    application       VARCHAR(100) NOT NULL,
    status            VARCHAR(50)  NOT NULL,
    message           TEXT,
    error_code        INTEGER,
    acknowledged_at   TIMESTAMPTZ  NOT NULL,
    sink_timestamp    TIMESTAMPTZ  NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX IF NOT EXISTS idx_telescope_acknowledgments_command
    ON telescope_acknowledgments (command_id, acknowledged_at);

CREATE TABLE IF NOT EXISTS telescope_status (
    status_id          VARCHAR(255) PRIMARY KEY,
    telescope_id       VARCHAR(255) NOT NULL,
    state              VARCHAR(50)  NOT NULL,
    right_ascension    DOUBLE PRECISION,
    declination        DOUBLE PRECISION,
    altitude           DOUBLE PRECISION,
    azimuth            DOUBLE PRECISION,
    current_command_id VARCHAR(255),
    readings           JSONB        NOT NULL DEFAULT '{}',
    message            TEXT,
    reported_at        TIMESTAMPTZ  NOT NULL,
    sink_timestamp     TIMESTAMPTZ  NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX IF NOT EXISTS idx_telescope_status_telescope
    ON telescope_status (telescope_id, reported_at DESC);

-- How each telescope is now.
CREATE OR REPLACE VIEW telescope_status_now AS
SELECT DISTINCT ON (telescope_id) *
FROM telescope_status
ORDER BY telescope_id, reported_at DESC;
