# shellcheck shell=bash
# Where Debian packages come from: the mirror that this machine uses already. Sourced by `packages` and `image`.

# Prints a sources.list with the given suites of a release ("" is the release itself), signed by Debian's keyring.
#   debian_sources bookworm "" -updates -security
debian_sources() {
    local codename=$1 suite mirror security
    shift
    mirror=$(mirror_of "$codename" http://deb.debian.org/debian/)
    security=$(mirror_of "$codename-security" http://deb.debian.org/debian-security/)
    for suite in "$@"; do
        printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
            "$([[ $suite == -security ]] && echo "$security" || echo "$mirror")" "$codename$suite"
    done
}

# Prints the address from which this machine's apt takes a suite, or the given one where it does not take it.
mirror_of() {
    local suite=$1 otherwise=$2 found
    # shellcheck disable=SC2016  # apt expands these
    found=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' "Created-By: Packages" 2>/dev/null |
        sed -n "s/ $suite\$//p" | head -n 1) || true
    printf '%s\n' "${found:-$otherwise}"
}
