# shellcheck shell=bash
# Where Debian packages come from: the mirrors that this machine's apt uses already. Sourced by `packages` and `image`.

# Prints a sources.list with the given suites of a release ("" is the release itself), signed by Debian's keyring.
# The security suite is left out where this machine takes none.
#   debian_sources bookworm "" -updates -security
debian_sources() {
    local codename=$1 suite mirror security
    shift
    mirror=$(mirror_of "$codename")
    security=$(mirror_of "$codename-security")
    if [[ -z $mirror ]]; then
        echo "this machine's apt has no source for Debian's $codename (component main)" >&2
        return 1
    fi
    for suite in "$@"; do
        if [[ $suite != -security ]]; then
            printf 'deb [signed-by=%s] %s %s main\n' "$debian_keyring" "$mirror" "$codename$suite"
        elif [[ -n $security ]]; then
            printf 'deb [signed-by=%s] %s %s main\n' "$debian_keyring" "$security" "$codename$suite"
        fi
    done
}

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Prints the address from which this machine's apt would take a suite's main component, or nothing. Asked of apt, as
# there are several ways to write sources; no package list is needed or fetched for that.
mirror_of() {
    apt-get --print-uris update 2>/dev/null |
        sed -n "s|^'\(.*/\)dists/$1/main/binary-.*|\1|p" | head -n 1 || true
}
