-- Astro BEAM: observation data of the telescopes, from the Avro topic telescope.data.

CREATE TABLE IF NOT EXISTS telescope_data_raw (
    -- The telescope's own id of the piece of data: a resent piece replaces itself.
    data_id                     VARCHAR(255) PRIMARY KEY,
    observation_id              VARCHAR(255) NOT NULL,
    sequence_number             INTEGER      NOT NULL,
    -- The instrument's clock as a plain number; the columns below tell when the row came to be.
    timestamp                   BIGINT       NOT NULL,
    data                        BYTEA,
    processed                   BOOLEAN      DEFAULT FALSE,
    processing_pipeline_version VARCHAR(50),
    sink_timestamp              TIMESTAMP    DEFAULT CURRENT_TIMESTAMP,
    created_at                  TIMESTAMP    DEFAULT CURRENT_TIMESTAMP
);

CREATE INDEX IF NOT EXISTS idx_observation_id ON telescope_data_raw (observation_id);
CREATE INDEX IF NOT EXISTS idx_timestamp ON telescope_data_raw (timestamp);
