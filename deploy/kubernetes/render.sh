#!/usr/bin/env bash
# Writes the chart's output for values-small.yaml to OUT (deploy/kubernetes/tidings.yaml).
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-deploy/kubernetes/tidings.yaml}
helm=$(bash deploy/tools.sh helm)
{
    echo "# Written by deploy/kubernetes/render.sh from deploy/helm/tidings with values-small.yaml. Do not edit: change the"
    echo "# chart, or put a Kustomize overlay on top. Needs the Secret \"tidings\": docs/kubernetes.md."
    # No namespace in the objects: kubectl apply -n, or `namespace:` of an overlay, says it.
    "$helm" template tidings deploy/helm/tidings --namespace tidings --kube-version 1.34.0 -f deploy/helm/tidings/values-small.yaml |
        sed -e '/^# Source: /d' -e 's/[[:space:]]*$//' | cat -s
} > "$out"
