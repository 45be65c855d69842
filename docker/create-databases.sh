#!/bin/sh
# Makes the databases of the five systems, with their users and tables, when the container of Postgres
# starts for the first time. Each file of sql/ goes into the database of its system.
set -eu

in_database() { # DATABASE USER FILE…
    database=$1 user=$2
    shift 2
    for file in "$@"; do
        echo "$file into $database"
        psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$database" \
            --command "SET ROLE $user" --file "$file"
    done
}

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --file /sql/000_databases.sql
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname timeseries \
    --command "CREATE EXTENSION IF NOT EXISTS timescaledb"

in_database sharkdb shark "/sql/${SHARK_TABLE:-002_track_activity_log.sql}"
in_database astro astro /sql/003_*.sql
in_database timeseries ts_user /sql/004_iot_measurements.sql
in_database fleetops fleetops /sql/005_*.sql
in_database analytics postgres /sql/006_*.sql
