-- Ferrule's own tables. The worker runs this file itself when they are absent, in one transaction,
-- so every statement may be run again.
--
-- They stand in the target database because a batch's rows and the offset that follows it are
-- committed together: after a crash this table, not Kafka's consumer group, says where to go on.

CREATE SCHEMA IF NOT EXISTS ferrule;

CREATE TABLE IF NOT EXISTS ferrule.offsets (
    connector   text        NOT NULL,
    topic       text        NOT NULL,
    "partition" int         NOT NULL,
    -- The first offset that is not yet in the tables; null until the first batch is.
    next_offset bigint,
    -- Counts the owners. Taking a partition adds one, and an owner that still holds the number
    -- before can no longer write.
    epoch       bigint      NOT NULL,
    -- Counts the transactions. One that does not move the offset, because it only has what a plugin
    -- made by the clock, is known by it when the answer to its COMMIT is lost.
    version     bigint      NOT NULL DEFAULT 0,
    -- The last record that was read in front of next_offset, and its timestamp: a topic that was
    -- deleted and created anew has another one there.
    last_offset bigint,
    last_timestamp bigint,
    -- Who took the partition last, for a person who looks.
    owner       text,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connector, topic, "partition")
) WITH (
    -- Each batch updates its row. With half of every page free, and no index on what changes, the
    -- new version stays on the same page (a HOT update) and the index is not touched.
    fillfactor = 50,
    -- The table is a few rows that are updated all day: the usual share of the table would make
    -- autovacuum run after every few batches, so a fixed number of dead rows decides.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000
);

-- A table of Ferrule 0.1 is without them.
ALTER TABLE ferrule.offsets
    ADD COLUMN IF NOT EXISTS version bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS last_offset bigint,
    ADD COLUMN IF NOT EXISTS last_timestamp bigint;
