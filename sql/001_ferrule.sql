-- Ferrule's own tables. The worker runs this file itself when they are absent, in one transaction,
-- so every statement may be run again.
--
-- They stand in the target database because a batch's rows and the offset that follows it are
-- committed together: after a crash this table, not Kafka's consumer group, says where to go on.

CREATE SCHEMA IF NOT EXISTS ferrule;

-- The tables of earlier releases know no clusters. Their rows stay as they are, with an empty
-- cluster and group, until a task takes their partition over; and their former key stays too, so
-- that workers of such a release go on beside newer ones, until a second cluster comes.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('ferrule.offsets')
        HAVING bool_or(attname = 'connector') AND NOT bool_or(attname = 'scoped_epoch')) THEN
        ALTER TABLE ferrule.offsets
            ADD COLUMN cluster text NOT NULL DEFAULT '',
            ADD COLUMN consumer_group text NOT NULL DEFAULT '',
            ADD COLUMN scoped_epoch bigint,
            DROP CONSTRAINT offsets_pkey;
        ALTER TABLE ferrule.offsets
            ADD PRIMARY KEY (connector, topic, "partition", cluster, consumer_group),
            ADD CONSTRAINT offsets_of_one_cluster UNIQUE (connector, topic, "partition");
    END IF;
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('ferrule.stores')
        HAVING bool_or(attname = 'connector') AND NOT bool_or(attname = 'cluster')) THEN
        ALTER TABLE ferrule.stores
            ADD COLUMN cluster text NOT NULL DEFAULT '',
            ADD COLUMN consumer_group text NOT NULL DEFAULT '';
        ALTER TABLE ferrule.stores
            ADD UNIQUE (connector, topic, "partition", transform, cluster, consumer_group);
        ALTER TABLE ferrule.stores
            RENAME CONSTRAINT stores_connector_topic_partition_transform_key
            TO stores_of_one_cluster;
    END IF;
END
$$;

CREATE TABLE IF NOT EXISTS ferrule.offsets (
    connector   text        NOT NULL,
    topic       text        NOT NULL,
    "partition" int         NOT NULL,
    -- Whose offsets they are: the id of the Kafka cluster, and the consumer group. Connectors of one
    -- name that read from two clusters, or in two groups, have rows of their own.
    cluster     text        NOT NULL DEFAULT '',
    consumer_group text     NOT NULL DEFAULT '',
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
    -- The epoch of the last owner that knew of clusters.
    scoped_epoch bigint,
    -- Who took the partition last, for a person who looks.
    owner       text,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connector, topic, "partition", cluster, consumer_group),
    -- Dropped when a second cluster has a connector of the same name.
    CONSTRAINT offsets_of_one_cluster UNIQUE (connector, topic, "partition")
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
