# shellcheck shell=bash
# How demo/run shows its steps, keeps their logs, and ends what it started. Sourced; the caller sets
# $logs (a folder), $steps (how many there are) and defines after_interrupt, which runs when all that was
# started here has ended.

# What the caller has to set.
: "${logs:?}" "${steps:?}"

# Set while a step runs that must not be ended half-way: it is asked to end, and then waited for without limit.
whole=""

# Pids of what runs now; each leads a process group of its own, so that one signal reaches all of it.
declare -A running=()

dots=...
[[ $(locale charmap 2>/dev/null) != UTF-8 ]] || dots=…
terminal=""
[[ ! -t 1 || ${TERM-dumb} == dumb ]] || terminal=yes

# One finished line; overwrites the moving one on a terminal.
line() {
    printf '%s%s\n' "${terminal:+$'\r\e[K'}" "$*"
}

# The moving line: what is running, for how long, and a word on how far it is.
moving_line() {
    local text=$1 seconds=$2 word=$3 width
    width=$(tput cols 2>/dev/null) || width=80
    text="$text $dots $seconds s  ${word//[^[:print:]]/}"
    printf '\r\e[K%s' "${text:0:width-1}"
}

# Starts a command in a process group of its own; sets $started to its pid.
#   start LOG COMMAND...      LOG is a file, or - for the terminal; the lock of the demo, 8, stays here
start() {
    local log=$1
    shift
    # Job control, for this one line, is what gives a background job its own group and leaves SIGINT alone.
    set -m
    if [[ $log == - ]]; then
        "$@" </dev/null 8>&- &
    else
        "$@" </dev/null >"$log" 2>&1 8>&- &
    fi
    started=$!
    set +m
    running[$started]=$log
}

# Waits for what start began; returns its exit code.
finish() {
    local pid=$1 code=0
    wait "$pid" 2>/dev/null || code=$?
    unset "running[$pid]"
    return "$code"
}

# One step with its progress, its time and its log. Returns the command's exit code.
#   step NUMBER TITLE PROGRESS COMMAND...     PROGRESS is a function that gets the log and prints a word
step() {
    local number=$1 title=$2 progress=$3 began=$SECONDS code=0 log pid
    shift 3
    log=$logs/$number.log
    [[ -n $terminal ]] || line "[$number/$steps] $title $dots"
    start "$log" "$@"
    pid=$started
    while [[ -n $terminal ]] && kill -0 "$pid" 2>/dev/null; do
        moving_line "[$number/$steps] $title" $((SECONDS - began)) "$("$progress" "$log")"
        sleep 0.5
    done
    finish "$pid" || code=$?
    if ((code == 0)); then
        line "[$number/$steps] $title $dots $((SECONDS - began)) s"
    else
        line "[$number/$steps] $title $dots failed after $((SECONDS - began)) s"
    fi
    return "$code"
}

# The last line of a log that says something.
last_line() {
    tail -n 5 -- "$1" 2>/dev/null | tr '\r' '\n' | grep -v '^[[:space:]]*$' | tail -n 1
}

# What to show of a step that failed for a reason that is not the series'.
show_log() {
    local log=$1
    printf '\nThe end of its log (%s):\n' "$log" >&2
    tail -n 20 -- "$log" | tr -d '\000-\010\013-\037' | sed 's/^/  | /' >&2
}

# Ends everything that start began: asks by a signal, and after a while asks no longer.
#   stop_all SIGNAL SECONDS     with no SIGNAL it does not ask
stop_all() {
    local signal=$1 patience=$2 pid waited=0 below=()
    for pid in "${!running[@]}"; do
        [[ -z $signal ]] || kill -"$signal" -- "-$pid" 2>/dev/null
    done
    while { [[ -n $whole ]] || ((waited < patience * 5)); } && any_runs; do
        sleep 0.2
        waited=$((waited + 1))
    done
    # What has a group of its own below them would outlive them.
    for pid in "${!running[@]}"; do
        mapfile -t below < <(descendants "$pid")
        kill -KILL -- "-$pid" "${below[@]}" 2>/dev/null
    done
    for pid in "${!running[@]}"; do
        finish "$pid"
    done
}

# Pids of the children of a process, and of theirs.
descendants() {
    local stat text child
    for stat in /proc/[0-9]*/stat; do
        { read -r text <"$stat"; } 2>/dev/null || continue
        # Behind the name, which may hold anything, stand the state and the parent.
        [[ ${text##*) } == [A-Z]" $1 "* ]] || continue
        child=${stat#/proc/}
        child=${child%/stat}
        printf '%s\n' "$child"
        descendants "$child"
    done
}

any_runs() {
    local pid
    for pid in "${!running[@]}"; do
        ! kill -0 "$pid" 2>/dev/null || return 0
    done
    return 1
}

# Ctrl-C and its relatives. The first one lets every part end as it wants to, the box's roll-back included;
# a second one does not wait for that.
interrupted() {
    local signal=$1 code=$2
    trap 'trap "" INT TERM HUP; stop_all "" 0' INT TERM HUP
    if [[ -n $whole ]]; then
        line "interrupted: a package that is being installed is finished first $dots"
    else
        line "interrupted: ending what runs $dots (again to force it)"
    fi
    # A box takes up to a minute to be back on its known-good kernel.
    stop_all "$signal" 120
    trap '' INT TERM HUP
    after_interrupt
    exit "$code"
}
trap 'interrupted INT 130' INT
trap 'interrupted TERM 143' TERM
trap 'interrupted TERM 129' HUP
