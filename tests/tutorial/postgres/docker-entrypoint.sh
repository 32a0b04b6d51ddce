#!/bin/bash
# What the image postgres does before its server: with an empty $PGDATA it makes a cluster with the superuser $POSTGRES_USER and
# the database $POSTGRES_DB, and runs what lies in /docker-entrypoint-initdb.d. Every command but a server's is run as it is.
set -euo pipefail

fail() { printf 'Error: %s\n' "$@" >&2; exit 1; }

# Sets the variable $1 from itself, or from the file that $1_FILE names, or to $2.
from_environment() {
    local name=$1 file=${1}_FILE
    if [ -n "${!file:-}" ]; then
        [ -z "${!name:-}" ] || fail "both $name and $file are set"
        export "$name=$(<"${!file}")"
    else
        export "$name=${!name:-$2}"
    fi
    unset "$file"
}

init_database() {
    if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
        fail "Database is uninitialized and superuser password is not specified." \
            "set POSTGRES_PASSWORD to a non-empty value, or POSTGRES_HOST_AUTH_METHOD to trust for connections without a password"
    fi
    # initdb takes the arguments as a shell would.
    eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"${POSTGRES_INITDB_ARGS:-}"' "$@"'
    printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
}

query() { PGPASSWORD=$POSTGRES_PASSWORD psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password "$@"; }

run_init_files() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sh) echo "$0: running $file"; if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
        *.sql) echo "$0: running $file"; query --dbname "$POSTGRES_DB" -f "$file" ;;
        *.sql.gz) echo "$0: running $file"; gunzip -c "$file" | query --dbname "$POSTGRES_DB" ;;
        */\*) ;;
        *) echo "$0: ignoring $file" ;;
        esac
    done
}

[ "${1:0:1}" != - ] || set -- postgres "$@"
if [ "$1" != postgres ]; then
    exec "$@"
fi
mkdir -p "$PGDATA" && chmod 0700 "$PGDATA"
mkdir -p /run/postgresql && chmod 03775 /run/postgresql
if [ "$(id -u)" = 0 ]; then
    find "$PGDATA" /run/postgresql \! -user postgres -exec chown postgres {} +
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
from_environment POSTGRES_PASSWORD ""
from_environment POSTGRES_USER postgres
from_environment POSTGRES_DB "$POSTGRES_USER"
if [ -s "$PGDATA/PG_VERSION" ]; then
    printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
else
    init_database
    # For the time of the initialization it is not to be reached from other containers.
    pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p 5432" -w start
    if [ "$POSTGRES_DB" != postgres ]; then
        query --dbname postgres --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db";'
    fi
    run_init_files
    pg_ctl -D "$PGDATA" -m fast -w stop
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
fi
unset POSTGRES_PASSWORD
exec "$@"
