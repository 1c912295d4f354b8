#!/bin/sh
# Runs once, when the database is made: two roles, so that the gateway cannot undo the protection of its own log.
set -eu
owner=$(cat /run/secrets/owner)
gateway=$(cat /run/secrets/gateway)
psql --username postgres --set ON_ERROR_STOP=1 --set owner="$owner" --set gateway="$gateway" <<'SQL'
CREATE ROLE rogatory_owner LOGIN PASSWORD :'owner';
CREATE ROLE rogatory LOGIN PASSWORD :'gateway';
CREATE DATABASE rogatory OWNER rogatory_owner;
REVOKE ALL ON DATABASE rogatory FROM PUBLIC;
GRANT CONNECT ON DATABASE rogatory TO rogatory;
\connect rogatory
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO rogatory_owner;
GRANT USAGE ON SCHEMA public TO rogatory;
SQL
