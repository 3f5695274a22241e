# shellcheck shell=bash
# What the lab's commands share: where a box's files are, its name, ports and processes, and how progress is told.
# Sourced; the caller sets $lab to the directory of this file.

export PATH=$PATH:/usr/sbin:/sbin
lab_cache=${PATCHLIFT_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set; set it or PATCHLIFT_CACHE}/.cache}/patchlift}/lab
# Relative would mean another place for each caller.
[[ $lab_cache == /* ]] || lab_cache=$PWD/$lab_cache
boxes=$lab_cache/boxes

# One line of progress with the seconds since the start, on standard error: standard output is for results.
say() {
    printf 'lab/%s: [%3d s] %s\n' "${0##*/}" "$SECONDS" "$*" >&2
}

fail() {
    printf 'lab/%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

usage_error() {
    printf 'lab/%s: %s\n' "${0##*/}" "$*" >&2
    exit 2
}

# The path goes through the configuration of apt, ssh, QEMU and the BMC, each with its own quoting.
[[ $lab_cache =~ ^[A-Za-z0-9/._+@=~-]+$ ]] ||
    usage_error "the cache's path '$lab_cache' has characters other than letters, digits and /._+@=~-; set PATCHLIFT_CACHE"

# The directory of the image that the recipe of now gives.
# shellcheck disable=SC2154  # $lab is the caller's
image_dir() {
    local recipe
    # An archive holds names, modes and links, too; modes are made the same for every umask.
    recipe=$(tar -C "$lab" -c --sort=name --mode=u=rwX,go=rX --mtime=@0 --owner=0 --group=0 --numeric-owner \
        image image.packages image.modules image-files | sha256sum)
    printf '%s\n' "$lab_cache/image-${recipe:0:12}"
}

# Removes images that are a day old and that neither the recipe of now nor a box refers to; younger ones may belong to
# another checkout that is at work. The caller holds the lock of the images: one that is half made has no maker.
remove_unused_images() {
    local candidate used
    rm -rf -- "$lab_cache"/image-*.partial
    used=$(image_dir)$'\n'$(cat "$boxes"/*/image 2>/dev/null || true)
    find "$lab_cache" -maxdepth 1 -type d -name 'image-*' -mmin +1440 | while read -r candidate; do
        grep -qxF -- "$candidate" <<<"$used" || rm -rf -- "$candidate"
    done
    remove_unused_packages
}

# Removes downloaded packages that no image is made of, as they are after an update. apt writes a version's colon as %3a.
remove_unused_packages() {
    local file candidate used
    used=$(cat "$lab_cache"/image-*/manifest | sed 's/:/%3a/g; s/ /_/')
    [[ -n $used ]] || return 0
    for file in "$lab_cache"/debs/*.deb; do
        candidate=${file##*/}
        grep -qxF -- "${candidate%_*}" <<<"$used" || rm -f -- "$file"
    done
}

# A name is part of paths, a host name and QEMU's arguments; so it is kept simple.
check_name() {
    [[ $1 =~ ^[a-z][a-z0-9-]{0,30}$ ]] ||
        usage_error "'$1' is no name for a box: lower-case letters, digits and -, at most 31, a letter first"
}

# Prints the value of a key in the box's `ports` file ("key value" lines), or nothing.
port_of() {
    sed -n "s/^$2 //p" "$1/ports" 2>/dev/null || true
}

# Prints the pids of the processes that belong to a box: they all work in the box's directory. Found in /proc and
# not by pid files alone, so that one whose starter was killed at the wrong moment is found, too.
#   processes_of DIRECTORY [ipmi_sim|qemu]
processes_of() {
    local directory=$1 wanted=${2-} process program
    for process in /proc/[0-9]*; do
        [[ $process/cwd -ef $directory ]] || continue
        program=$(readlink "$process/exe" 2>/dev/null) || continue
        case ${program##*/} in
            ipmi_sim) program=ipmi_sim ;;
            qemu-system-*) program=qemu ;;
            # QEMU before it is QEMU; the second name is for one that becomes it while we look.
            *)
                grep -qazE '^(\./power-on|patchlift-lab-.*)$' "$process/cmdline" 2>/dev/null || continue
                program=qemu
                ;;
        esac
        [[ -n $wanted && $wanted != "$program" ]] || printf '%s\n' "${process#/proc/}"
    done
}

# Ends all processes of a box, the BMC first (it could start QEMU again), and removes what only they need. Bounded: 15 s.
stop_processes() {
    local directory=$1 signal try kind pids
    for try in {1..75}; do
        signal=TERM
        ((try < 25)) || signal=KILL
        pids=
        for kind in ipmi_sim qemu; do
            [[ -n $pids ]] || pids=$(processes_of "$directory" "$kind")
        done
        [[ -n $pids ]] || break
        # shellcheck disable=SC2086  # pids, one word each
        kill -s "$signal" $pids 2>/dev/null || true
        sleep 0.2
    done
    rm -f -- "$directory/qmp.sock"
    [[ -z $(processes_of "$directory") ]] ||
        fail "processes of $directory do not end: $(processes_of "$directory" | tr '\n' ' ')"
}

# Runs ipmitool against the box's BMC; the password is read from its file. Bounded by ipmitool's own retries.
bmc() {
    local directory=$1
    shift
    timeout 60 ipmitool -I lanplus -C 3 -H 127.0.0.1 -p "$(port_of "$directory" bmc)" -U patchlift \
        -f "$directory/bmc-password" "$@" </dev/null
}

# Runs a command on the box. No configuration, agent or known host of the user takes part.
on_box() {
    local directory=$1
    shift
    ssh -F none -i "$directory/id_ed25519" -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
        -o UserKnownHostsFile="$directory/known_hosts" -o GlobalKnownHostsFile=/dev/null \
        -o StrictHostKeyChecking=yes -o ConnectTimeout=5 -o ServerAliveInterval=5 -o ServerAliveCountMax=3 \
        -o LogLevel=ERROR -p "$(port_of "$directory" ssh)" root@127.0.0.1 "$@"
}

# Quotes a text for TOML and JSON alike.
quoted() {
    local text=${1//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}
