#!/usr/bin/env bash
# Lints and renders the Helm chart with its defaults and with each file of values/, and checks what
# comes out against the schemas of Kubernetes' own objects, of the oldest version that the chart is
# for and of the newest. ferrule.yaml, the plain manifests, has to be what the defaults give.
#
#   check.sh            looks
#   check.sh --write    writes ferrule.yaml
#
# No cluster is asked. `make kubernetes` installs what this needs: tests/services/install.sh kubernetes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

tools=${FERRULE_CACHE:-$HOME/.cache/ferrule}/tools
helm=$tools/bin/helm
validate=$tools/kubernetes/bin/kubernetes-validate
oldest=1.29
newest=1.37

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# What the defaults give, as manifests that nobody installs by Helm.
plain() {
    echo '# The workers as plain manifests: what the chart gives with its defaults, in the namespace ferrule.'
    echo '# Made by `make kubernetes KUBERNETES_ARGS=--write`; docs/kubernetes.md says what to change.'
    echo '#'
    echo '#   kubectl create namespace ferrule'
    echo '#   kubectl apply -n ferrule -f docker/kubernetes/ferrule.yaml'
    sed -e '/^# Source: /d' -e '/helm\.sh\/chart: /d' -e '/app\.kubernetes\.io\/managed-by: /d' "$1"
}

render() { # NAME [ARGUMENT…]
    local name=$1
    shift
    "$helm" lint --strict --quiet chart "$@"
    "$helm" template ferrule chart --namespace ferrule --kube-version $newest "$@" >"$out/$name.yaml"
    # Another name of the release makes other names of the objects.
    "$helm" template other chart --namespace elsewhere --kube-version $oldest "$@" >"$out/$name-other.yaml"
}

render default
for values in values/*.yaml; do
    render "$(basename "$values" .yaml)" --values "$values"
done

plain "$out/default.yaml" >"$out/ferrule.yaml"
if [ "${1:-}" = --write ]; then
    cp "$out/ferrule.yaml" ferrule.yaml
elif ! diff -u ferrule.yaml "$out/ferrule.yaml"; then
    echo 'error: ferrule.yaml is not what the chart gives: make kubernetes KUBERNETES_ARGS=--write' >&2
    exit 1
fi

for file in "$out"/*.yaml ferrule.yaml; do
    for version in $oldest $newest; do
        "$validate" --strict --kubernetes-version $version --quiet "$file" || {
            "$validate" --strict --kubernetes-version $version "$file" >&2 || true
            echo "error: $(basename "$file") is not what Kubernetes $version takes" >&2
            exit 1
        }
    done
done
for object in Deployment Service ConfigMap ServiceAccount PodDisruptionBudget NetworkPolicy; do
    grep -q "^kind: $object$" ferrule.yaml || { echo "error: no $object" >&2; exit 1; }
done
grep -q '^kind: HorizontalPodAutoscaler$' "$out/production.yaml" || { echo 'error: no autoscaler' >&2; exit 1; }

# What the values' schema refuses, so that a misspelt value does not go unheard.
for wrong in replica=3 image.tga=x rest.probe=maybe secrets.file=x replicas=none \
    properties.ferrule=4194304; do
    if "$helm" template ferrule chart --kube-version $newest --set "$wrong" >/dev/null 2>&1; then
        echo "error: the chart takes $wrong" >&2
        exit 1
    fi
done
echo "kubernetes: the chart and ferrule.yaml are taken by $oldest and $newest"
