# shellcheck shell=bash
# Sourced by ./run and ./test: what FastGate is built from on Debian and Ubuntu, installed if it is missing.

# shellcheck disable=SC2034 # used by the scripts that source this
BUILD_PACKAGES=(libssl-dev libsqlite3-dev zlib1g-dev libyaml-dev libc-ares-dev libpcre2-dev pkg-config)

# What the gates count with; without them they are skipped.
# shellcheck disable=SC2034
GATE_PACKAGES=(valgrind strace binutils gcc)

# What the command line's completions and manual page are tested with; without them those tests are skipped.
# shellcheck disable=SC2034
SHELL_PACKAGES=(curl zsh fish man-db mandoc)

# The dashboard's tests; without them they are skipped.
# shellcheck disable=SC2034
BROWSER_PACKAGES=(chromium chromium-driver)

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Installs the packages that are missing; says nothing if there are none.
need_packages() {
    command -v dpkg-query >/dev/null || return 0 # not Debian: pkg-config will tell what is missing
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "please install: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    echo "installing ${missing[*]}"
    local log
    log=$(mktemp)
    if ! { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y "${missing[@]}" ||
        { "${as_root[@]}" apt-get update &&
            "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y "${missing[@]}"; }; } \
        >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        fail "could not install ${missing[*]}"
    fi
    rm -f "$log"
}

need_swift() {
    command -v swift >/dev/null || fail "Swift 6.2 or later is needed: https://www.swift.org/install/linux/"
}

# Builds one product as it is shipped.
build_release() {
    swift build -c release --static-swift-stdlib --product "$1"
}
