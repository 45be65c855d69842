#!/bin/sh
# Applies sql/ to the database when its container starts for the first time.
set -eu
for file in /sql/*.sql; do
    # Those are in the place of another, or opt-in: run them by hand.
    case $file in *_partitioned.sql | *_policies.sql) continue ;; esac
    psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --file "$file"
done
