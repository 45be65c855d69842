#!/bin/sh
# Applies sql/ to the database when its container starts for the first time.
set -eu
for file in /sql/*.sql; do
    psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --file "$file"
done
