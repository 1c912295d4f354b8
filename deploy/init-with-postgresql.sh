#!/bin/sh
# Makes a home whose tables belong to rogatory_owner. Arguments go to `rogatory init`.
# The owner's password reaches the program in its environment only, never on its command line.
set -eu
ROGATORY_DATABASE_OWNER="postgresql://rogatory_owner:$(cat /run/secrets/owner)@database/rogatory"
export ROGATORY_DATABASE_OWNER
exec rogatory init --yes --listen 0.0.0.0:8443 \
  --database postgresql://rogatory@database/rogatory --database-password-file /run/secrets/gateway \
  --log-head-file /var/lib/rogatory-head/log.head "$@"
