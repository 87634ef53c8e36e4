# shellcheck shell=bash
# The binaries of another commit, to compare with this checkout: to be sourced at the root of the checkout.
# They are kept in target/against/COMMIT and used again, with the sources in target/against/COMMIT/tree. The profile is
# `bench-against`: optimized, no link-time optimization.
root=$PWD
against=$root/target/against
profile=bench-against
binaries=(gateway chat-service presence-service tidings fleet)

commit_of() { # NAME -> the nine digits under which its binaries are kept
    git rev-parse --short=9 --verify "$1^{commit}"
}

build() { # TREE OUT
    local tree=$1 out=$2 binary chosen=()
    for binary in "${binaries[@]}"; do chosen+=(--bin "$binary"); done
    # The other commit may be older than the profile.
    local settings=(--profile "$profile" --config "profile.$profile.inherits='release'" --config "profile.$profile.lto=false"
        --config "profile.$profile.codegen-units=16" --config "profile.$profile.debug=false")
    # Cargo takes a crate of the other tree for the same one when its files are older than what was built.
    (cd "$tree" && export CARGO_TARGET_DIR=$against/build &&
        ${CARGO:-cargo} clean --quiet --workspace "${settings[@]}" &&
        ${CARGO:-cargo} build --quiet --workspace "${settings[@]}" "${chosen[@]}")
    mkdir -p "$out"
    for binary in "${binaries[@]}"; do cp "$against/build/$profile/$binary" "$out/"; done
}

build_commit() { # COMMIT, as `commit_of` answers it
    [ ! -x "$against/$1/fleet" ] || return 0
    echo "building $1" >&2
    git worktree prune
    git worktree add --quiet --force --detach "$against/$1/tree" "$1"
    # The pages are built into the gateway; what they contain costs no message anything.
    mkdir -p "$against/$1/tree/web" && rm -rf "$against/$1/tree/web/dist"
    [ ! -d web/dist ] || cp -r web/dist "$against/$1/tree/web/dist"
    build "$against/$1/tree" "$against/$1"
}
