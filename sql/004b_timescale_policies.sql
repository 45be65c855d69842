-- IoT, opt-in, after 004_iot_measurements.sql (or 004c): what looks after the measurements as they
-- grow old, and sums of them by the hour and the day. It may be run again.
--
-- With TimescaleDB: chunks of a day, compression after a day, nothing older than 90 days, continuous
-- aggregates. Some of it is not in its Apache-licensed build; what is missing is told by a WARNING,
-- and the rest is set up.
--
-- Without it, and where the table is none of its hypertables (004c): the same sums as views, which
-- count anew each time. Old rows are dropped by partitions (004c_iot_measurements_partitioned.sql and
-- `ferrule maintain`), or by DELETE.

DO $file$
DECLARE
    what          TEXT;
    statement     TEXT;
    is_hypertable BOOLEAN := FALSE;
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        -- By EXECUTE, because without the extension there is no such view to look into.
        EXECUTE $s$
            SELECT EXISTS (SELECT FROM timescaledb_information.hypertables
                           WHERE format('%I.%I', hypertable_schema, hypertable_name)::regclass
                                 = 'iot_measurements'::regclass)
        $s$ INTO is_hypertable;
    END IF;
    IF NOT is_hypertable THEN
        RAISE NOTICE 'iot_measurements: no hypertable of TimescaleDB, so the sums are plain views';
        -- The rows of a view that is one already are the same ones.
        CREATE OR REPLACE VIEW iot_measurements_hourly AS
        SELECT date_trunc('hour', timestamp, 'UTC') AS bucket, device_id, component_type, unit,
               count(*) AS measurements, count(value) AS value_count,
               avg(value) AS avg_value, min(value) AS min_value, max(value) AS max_value,
               min(timestamp) AS first_measurement, max(timestamp) AS last_measurement
        FROM iot_measurements
        GROUP BY 1, device_id, component_type, unit;
        CREATE OR REPLACE VIEW iot_measurements_daily AS
        SELECT date_trunc('day', timestamp, 'UTC') AS bucket, device_id, component_type, unit,
               count(*) AS measurements, count(value) AS value_count,
               avg(value) AS avg_value, min(value) AS min_value, max(value) AS max_value,
               min(timestamp) AS first_measurement, max(timestamp) AS last_measurement
        FROM iot_measurements
        GROUP BY 1, device_id, component_type, unit;
        RETURN;
    END IF;

    FOR what, statement IN VALUES
        ('chunks of a day', $s$
            SELECT set_chunk_time_interval('iot_measurements', INTERVAL '1 day')
        $s$),
        -- Once chunks are compressed, the settings are not to be changed.
        ('compression', $s$
            DO $do$
            BEGIN
                IF NOT (SELECT compression_enabled FROM timescaledb_information.hypertables
                        WHERE hypertable_name = 'iot_measurements'
                          AND hypertable_schema = (SELECT nspname FROM pg_class c
                              JOIN pg_namespace n ON n.oid = c.relnamespace
                              WHERE c.oid = 'iot_measurements'::regclass)) THEN
                    ALTER TABLE iot_measurements SET (
                        timescaledb.compress,
                        timescaledb.compress_segmentby = 'device_id,component_type'
                    );
                END IF;
            END
            $do$
        $s$),
        ('compression after a day', $s$
            SELECT add_compression_policy('iot_measurements', INTERVAL '1 day',
                                          if_not_exists => TRUE)
        $s$),
        ('retention of 90 days', $s$
            SELECT add_retention_policy('iot_measurements', INTERVAL '90 days',
                                        if_not_exists => TRUE)
        $s$),
        -- A plain view of that name was made before there was TimescaleDB.
        ('the hourly continuous aggregate', $s$
            DO $do$
            BEGIN
                IF EXISTS (SELECT FROM timescaledb_information.continuous_aggregates
                           WHERE view_name = 'iot_measurements_hourly') THEN
                    RETURN;
                END IF;
                DROP VIEW IF EXISTS iot_measurements_hourly;
                CREATE MATERIALIZED VIEW iot_measurements_hourly
                WITH (timescaledb.continuous) AS
                SELECT time_bucket(INTERVAL '1 hour', timestamp) AS bucket,
                       device_id, component_type, unit,
                       count(*) AS measurements, count(value) AS value_count,
                       avg(value) AS avg_value, min(value) AS min_value, max(value) AS max_value,
                       min(timestamp) AS first_measurement, max(timestamp) AS last_measurement
                FROM iot_measurements
                GROUP BY 1, device_id, component_type, unit
                WITH NO DATA;
            END
            $do$
        $s$),
        ('the daily continuous aggregate', $s$
            DO $do$
            BEGIN
                IF EXISTS (SELECT FROM timescaledb_information.continuous_aggregates
                           WHERE view_name = 'iot_measurements_daily') THEN
                    RETURN;
                END IF;
                DROP VIEW IF EXISTS iot_measurements_daily;
                CREATE MATERIALIZED VIEW iot_measurements_daily
                WITH (timescaledb.continuous) AS
                SELECT time_bucket(INTERVAL '1 day', timestamp) AS bucket,
                       device_id, component_type, unit,
                       count(*) AS measurements, count(value) AS value_count,
                       avg(value) AS avg_value, min(value) AS min_value, max(value) AS max_value,
                       min(timestamp) AS first_measurement, max(timestamp) AS last_measurement
                FROM iot_measurements
                GROUP BY 1, device_id, component_type, unit
                WITH NO DATA;
            END
            $do$
        $s$),
        -- What comes later than that is not summed up by itself:
        -- CALL refresh_continuous_aggregate('iot_measurements_hourly', from, to) does it. The windows
        -- end long before the retention, because a refresh forgets the sums of what was dropped.
        ('the refreshing of the hourly aggregate', $s$
            SELECT add_continuous_aggregate_policy('iot_measurements_hourly',
                start_offset => INTERVAL '3 days', end_offset => INTERVAL '1 hour',
                schedule_interval => INTERVAL '30 minutes', if_not_exists => TRUE)
        $s$),
        ('the refreshing of the daily aggregate', $s$
            SELECT add_continuous_aggregate_policy('iot_measurements_daily',
                start_offset => INTERVAL '7 days', end_offset => INTERVAL '1 day',
                schedule_interval => INTERVAL '6 hours', if_not_exists => TRUE)
        $s$)
    LOOP
        BEGIN
            EXECUTE statement;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'iot_measurements: % is missing: %', what, SQLERRM
                USING HINT = 'The Apache-licensed build of TimescaleDB has no compression, '
                    'continuous aggregates and policies; the Community edition has.';
        END;
    END LOOP;
END
$file$;
