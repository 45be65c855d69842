-- The databases of the five example systems and their users, as their documents name them. Run by
-- psql, as a superuser; what is there stays as it is:
--
--   psql postgres://postgres@localhost/postgres -f sql/000_databases.sql
--
-- Two documents name none: FleetOps and the telescope have theirs under their own names.

SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', name, password)
FROM (VALUES
    ('shark', 'sharkbakeoff'),
    ('fleetops', 'fleetops'),
    ('postgres', 'postgres'),
    ('astro', 'astro'),
    ('ts_user', 'ts_password')
) AS wanted (name, password)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

SELECT format('CREATE DATABASE %I OWNER %I', name, owner)
FROM (VALUES
    ('sharkdb', 'shark'),
    ('fleetops', 'fleetops'),
    ('analytics', 'postgres'),
    ('astro', 'astro'),
    ('timeseries', 'ts_user')
) AS wanted (name, owner)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = name)
\gexec
