#!/usr/bin/env bash
# Checks what is linked: licences, sources and banned crates by deny.toml, and known advisories.
#
# It installs cargo-deny when it can. Without it nothing is checked, which is said, and is an error
# where CI is set. The database of advisories is a git repository on GitHub. Where that cannot be
# reached, a copy that was fetched before is used; without one, or when it is older than 90 days, the
# advisories are not checked, and that is said. A mirror is named to git itself:
#
#   git config --global url.<mirror>.insteadOf https://github.com/RustSec/advisory-db
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

database=https://github.com/RustSec/advisory-db
PATH=${FERRULE_CACHE:-$HOME/.cache/ferrule}/tools/bin:$PATH

warn() {
    printf '\033[1;33mWARNING: %s\033[0m\n' "$@" >&2
}

if ! tests/services/install.sh deny && ! cargo deny --version >/dev/null 2>&1; then
    warn 'cargo-deny cannot be installed: licences, sources and advisories are NOT checked'
    [ "${CI:-}" != true ]
    exit
fi

fetch=()
what=(bans licenses sources advisories)
if ! timeout 60 git ls-remote --exit-code "$database" HEAD >/dev/null 2>&1; then
    fetch=(--offline)
    if [ -z "$(find "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs" -name FETCH_HEAD -mtime -90 \
        2>/dev/null)" ]; then
        warn "advisories are NOT checked: $database cannot be reached,"
        warn "and there is no copy of the last 90 days (a mirror: see tests/services/deny.sh)"
        fetch=()
        what=(bans licenses sources)
    fi
fi
# Each workspace has a lock file of its own.
for lock in $(git ls-files 'Cargo.lock' '*/Cargo.lock'); do
    echo "${lock%.lock}.toml: ${what[*]}"
    cargo deny --locked "${fetch[@]}" --manifest-path "${lock%.lock}.toml" --config deny.toml \
        --log-level error check "${what[@]}"
done
