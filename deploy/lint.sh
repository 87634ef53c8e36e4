#!/usr/bin/env bash
# Checks the chart, the rendered manifests, alert rules and dashboards; says what it skipped and why.
#   deploy/lint.sh BIN    BIN holds python with kubernetes-validate and PyYAML (make lint-deploy)
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$1
export PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip() {
    echo "skipped: $1"
}

if helm=$(bash deploy/tools.sh helm); then
    for values in dev small large; do
        "$helm" lint --strict --quiet deploy/helm/tidings -f "deploy/helm/tidings/values-$values.yaml"
        "$helm" template tidings deploy/helm/tidings --namespace tidings -f "deploy/helm/tidings/values-$values.yaml" > "$work/$values.yaml"
    done
    "$helm" template tidings deploy/helm/tidings --namespace tidings -f deploy/helm/tidings/values-large.yaml \
        --set grpcTls.enabled=true,secrets.caKey=ca-bundle > "$work/tls.yaml"
    "$bin/python" deploy/helm/refusals.py "$helm" deploy/helm/tidings
    bash deploy/kubernetes/render.sh "$work/tidings.yaml"
    diff -u deploy/kubernetes/tidings.yaml "$work/tidings.yaml" || {
        echo "deploy/kubernetes/tidings.yaml is not the chart's output: run make manifests"
        exit 1
    }
    "$(bash deploy/tools.sh kubectl)" kustomize deploy/kubernetes > /dev/null
    rendered=("$work"/{dev,small,large,tls}.yaml)
else
    skip "the chart itself; the rendered file is checked all the same"
    rendered=(deploy/kubernetes/tidings.yaml)
fi

for version in 1.30 1.34 1.37; do
    # Custom resources have no schema there: rules.py looks at those.
    "$bin/kubernetes-validate" --strict --quiet --no-warn -k "$version" \
        "${rendered[@]}" deploy/kubernetes/tidings.yaml deploy/kubernetes/examples/*.yaml
done
"$bin/python" deploy/kubernetes/rules.py "${rendered[@]}" deploy/kubernetes/tidings.yaml \
    deploy/kubernetes/examples/{fleet,migrate}.yaml
"$bin/python" deploy/kubernetes/planted.py deploy/kubernetes/tidings.yaml
# The harness of `make pods`, as far as it needs neither root nor binaries.
PYTHONPATH=deploy "$bin/python" -m unittest -q pods.tests

"$bin/python" deploy/monitoring/dashboards.py --check
if promtool=$(bash deploy/tools.sh promtool); then
    "$promtool" check rules deploy/monitoring/alerts.yml > "$work/promtool" || { cat "$work/promtool"; exit 1; }
    "$promtool" test rules deploy/monitoring/alerts_test.yml
    "$promtool" check config --syntax-only deploy/monitoring/prometheus.yml > "$work/promtool" || { cat "$work/promtool"; exit 1; }
    # Each query of a dashboard as a rule: nothing else here reads PromQL.
    "$bin/python" deploy/monitoring/names.py --expressions > "$work/expressions.yml"
    "$promtool" check rules "$work/expressions.yml" > "$work/promtool" || { cat "$work/promtool"; exit 1; }
else
    skip "rules, their tests and queries"
fi
"$bin/python" deploy/monitoring/names.py
"$bin/python" deploy/names_in_docs.py
"$bin/python" deploy/words_in_docs.py
"$bin/python" deploy/docs_site.py --check
if amtool=$(bash deploy/tools.sh amtool); then
    "$amtool" check-config deploy/monitoring/alertmanager.yml > "$work/amtool" || { cat "$work/amtool"; exit 1; }
else
    skip "deploy/monitoring/alertmanager.yml"
fi
