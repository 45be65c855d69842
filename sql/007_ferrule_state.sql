-- The state of plugins. The worker runs this file itself when a connector's plugin first needs it,
-- in one transaction, so every statement may be run again.
--
-- What a plugin keeps of a partition is committed with the rows that the batch made and with the
-- offset that follows it: after a crash, and on another worker, it is what the offsets say.

CREATE SCHEMA IF NOT EXISTS ferrule;

-- As in 001_ferrule.sql: a table of an earlier release knows no clusters.
DO $$
BEGIN
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

-- One row for each transform and partition, so that the entries need not repeat their names.
CREATE TABLE IF NOT EXISTS ferrule.stores (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connector   text   NOT NULL,
    -- The alias of the transform.
    transform   text   NOT NULL,
    topic       text   NOT NULL,
    "partition" int    NOT NULL,
    -- As in ferrule.offsets.
    cluster     text   NOT NULL DEFAULT '',
    consumer_group text NOT NULL DEFAULT '',
    -- The greatest timestamp that the partition's records have shown, in milliseconds since 1970:
    -- the time by which entries expire.
    clock       bigint,
    UNIQUE (connector, topic, "partition", transform, cluster, consumer_group),
    CONSTRAINT stores_of_one_cluster UNIQUE (connector, topic, "partition", transform)
) WITH (
    -- As for ferrule.offsets: each batch updates its row, which is to stay on its page.
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000
);

CREATE TABLE IF NOT EXISTS ferrule.state (
    -- Of ferrule.stores. No foreign key: it would be checked for each row that is written.
    store      bigint NOT NULL,
    key        bytea  NOT NULL,
    value      bytea  NOT NULL,
    -- Milliseconds since 1970; null for an entry that stays until it is deleted. What has expired
    -- is deleted by the next batch.
    expires_at bigint,
    PRIMARY KEY (store, key)
) WITH (
    -- Entries are overwritten all day; no index but that of the key keeps the new versions HOT.
    fillfactor = 70
);
