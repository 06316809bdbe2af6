#!/usr/bin/env bash
#
# Checks that README.md alone leads somebody who has never seen the project, on a fresh Debian with their own PostgreSQL,
# Redis and tables, to a dry run on these tables, and from there to a monitored timer: runs the code blocks of "Point it at
# your database" and "Put it into production" as they are, prints how long that took, and checks the results.
# This changes the machine, so it only runs in a Debian made for it:
#
#   scripts/in-debian trixie tests/setup/check_newcomer.sh
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/setup/services.sh
source tests/setup/services.sh
# shellcheck source=scripts/lib/package/readme.sh
source scripts/lib/package/readme.sh

say() { printf 'check_newcomer: %s\n' "$*"; }
quietly() { "$@" >/tmp/log 2>&1 || { cat /tmp/log >&2; fail "failed: $*"; }; }
sql() { runuser -u postgres -- env --chdir=/ psql -XAtq -d tickstock -v ON_ERROR_STOP=1 -c "$1"; }

# The tables as somebody else has created them: with other types than the sample market's, and columns that the program
# does not know.
make_tables() {
  quietly runuser -u postgres -- createuser root
  quietly runuser -u postgres -- createdb --owner root tickstock
  quietly psql -Xq -d tickstock -v ON_ERROR_STOP=1 <<'END'
CREATE TABLE symbols (
  id bigserial PRIMARY KEY, symbol varchar(20) NOT NULL UNIQUE, exchange text, company_name varchar(200), market_cap bigint,
  sector text, listing_date timestamptz, is_active boolean NOT NULL DEFAULT true, delisted_date date, note jsonb);
INSERT INTO symbols (symbol, exchange, company_name, market_cap, sector, listing_date, is_active, delisted_date)
SELECT 'S' || n, 'XNYS', 'Company ' || n, 4e12 / n ^ 1.8, (ARRAY['Energy', 'Finance', NULL])[1 + n % 3],
  CASE WHEN n % 100 = 0 THEN now() - interval '3 days' ELSE '2001-02-03' END, n % 50 <> 0,
  CASE WHEN n % 50 = 0 THEN current_date - 1 END
FROM generate_series(1, 800) AS n;
CREATE TABLE cache_entries (
  id serial PRIMARY KEY, universe varchar(100) NOT NULL UNIQUE, content jsonb NOT NULL, cache_type varchar(50),
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
INSERT INTO cache_entries (universe, cache_type, content)
VALUES ('theme_mine', 'theme', '{"symbols": ["S1", "S2", "S50"], "count": 3}');
END
}

# No package starts a service, so this starts them, at the usual places: the tree has its own network.
start_services() {
  local version
  ! (: </dev/tcp/127.0.0.1/6379) 2>/dev/null || fail 'another Redis has the port 6379 of this machine'
  quietly scripts/lib/install-packages postgresql redis-server
  version=$(ls /usr/lib/postgresql)
  quietly pg_createcluster "$version" main --port 5432 --pgoption listen_addresses='' \
    --pgoption unix_socket_directories=/run/postgresql
  quietly pg_ctlcluster "$version" main start
  quietly runuser -u redis -- redis-server --bind 127.0.0.1 --daemonize yes --save '' --dir /tmp --logfile /tmp/redis.log
  # Takes the place of the real one, since no systemd runs here.
  install scripts/lib/package/systemctl /usr/local/sbin/systemctl
}

look_at_dry_run() {
  is 'the dry run' 'dry run: ' sh -c "grep -o '^dry run: ' $readme_said"
  is 'what became of a theme' 'theme_mine 3 → 2 +0 −1 ~0' sh -c "grep '^theme_mine' $readme_said | tr -s ' '"
  is 'the entries, which a dry run does not touch' 'theme_mine|3' \
    sql "SELECT universe, content->>'count' FROM cache_entries"
}

look_at_production() {
  is 'the runs' $'manual|completed\ntimer|completed\ntimer|completed' \
    sql 'SELECT triggered_by, status FROM cache_sync_runs ORDER BY started_at'
  is 'the theme' '["S1", "S2"]' sql "SELECT content->'symbols' FROM cache_entries WHERE universe = 'theme_mine'"
  is 'the largest' 100 sql "SELECT content->>'count' FROM cache_entries WHERE universe = 'top_100'"
  is 'pending events' 0 sql 'SELECT count(*) FROM cache_sync_outbox WHERE published_at IS NULL'
  is 'the timer' enabled systemctl is-enabled tickstock-cache.timer
  is 'what systemd says of the units' '' sh -c 'systemd-analyze verify --man=no tickstock-cache.timer tickstock-cache.service 2>&1'
  is 'the status in the metrics' 1 \
    grep -c '^tickstock_cache_last_exit_status{.*} 0$' /var/lib/prometheus/node-exporter/tickstock-cache.prom
  is 'the runs that history lists' 3 sh -c "grep -c completed $readme_said"
}

# "man" reads the pages from the sources.
read_pages() {
  local page
  quietly scripts/lib/install-packages man-db
  readme_follow 'Try it' "$(readme_blocks 'Try it' | sed '/^# end$/,$d')"
  is 'the tutorial' yes sh -c "grep -q 'TAKING IT BACK' $readme_said && echo yes"
  for page in man/tickstock-cache-*.7.in; do
    is "the beginning of $page" NAME sh -c "man './$page' 2>/tmp/log | grep -o -m 1 '^NAME\$'"
  done
}

say 'PostgreSQL, Redis and tables of somebody'
start_services
make_tables
say 'pointing it at the database'
begin=$SECONDS
readme_follow 'Point it at your database'
dry_run=$((SECONDS - begin))
look_at_dry_run
say 'putting it into production'
readme_follow 'Put it into production'
timer=$((SECONDS - begin))
look_at_production
say 'reading the pages'
read_pages
say "a dry run after $dry_run s, a timer that is watched after $timer s"
((timer < 600)) || fail 'a timer must not take more than ten minutes'
