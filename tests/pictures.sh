#!/usr/bin/env bash
# Takes the pictures in screenshots/: the program itself, on real workloads (assets/), in an xterm on a screen that
# nobody sees. Needs no network. About six minutes.
#
# Usage: tests/pictures.sh [--install] [NAME...]     without names: all of them
#
#   --install   installs what is missing (Debian, root)
#   PYTHON=     the interpreter that runs the workloads; its paths are in the pictures (python3)
#   PYFLAME=    the program; without it, it is built
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A needs=([Xvfb]=xvfb [xterm]=xterm [xdotool]=xdotool [import]=imagemagick [convert]=imagemagick
    [fc-match]=fontconfig [pngquant]=pngquant)
font='DejaVu Sans Mono'
out=$PWD/screenshots
python=${PYTHON:-python3}

say() { printf 'pictures: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

check_tools() {
    local program missing=()
    for program in "${!needs[@]}"; do
        command -v "$program" >/dev/null || missing+=("${needs[$program]}")
    done
    if command -v fc-match >/dev/null; then
        [ "$(fc-match -f '%{family}' "$font")" = "$font" ] || missing+=(fonts-dejavu-core)
    fi
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$install" = yes ]; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "${missing[@]}"
    else
        die "missing: ${missing[*]}; --install gets them"
    fi
}

# What is started is ended, whatever happens.
started=()
room=
clean_up() {
    local process
    for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
    [ -z "$room" ] || rm -rf "$room"
}

# A screen of one's own; Xvfb chooses a number that is free.
open_screen() {
    local number
    Xvfb -displayfd 7 -screen 0 1600x1000x24 -nolisten tcp 7>"$room/display" 2>/dev/null &
    started+=($!)
    for _ in {1..100}; do
        number=$(cat "$room/display")
        [ -z "$number" ] || break
        sleep 0.1
    done
    [ -n "$number" ] || die "Xvfb does not start"
    export DISPLAY=:$number
}

# run PROGRAM [WORD...]: a workload; its id is in $target.
run() {
    (cd "$room/app" && exec "$python" "$@") >/dev/null &
    target=$!
    started+=("$target")
    sleep 1
}

end() {
    kill "$target" 2>/dev/null || true
    wait "$target" 2>/dev/null || true
}

# look COLUMNSxROWS [WORD...]: the viewer on $target; its window is in $window.
look() {
    local size=$1
    shift
    env -u TMUX COLORTERM=truecolor TERM=xterm-256color xterm -fa "$font" -fs 10 -geometry "$size" -b 4 -bg '#16161a' \
        -fg '#d8d8dc' -xrm 'XTerm*forceBoxChars: false' -xrm 'XTerm*cursorBlink: false' -xrm 'XTerm*allowBoldFonts: true' \
        +sb -T picture -e env COLORTERM=truecolor "$program" "$@" "$target" &
    terminal=$!
    started+=("$terminal")
    window=$(timeout 20 xdotool search --sync --onlyvisible --name '^picture$' | head -n 1) || die "no window"
    xdotool windowfocus --sync "$window"
    # Out of the picture.
    xdotool mousemove 1599 999
}

# Presses keys, one after the other.
press() { xdotool key --delay 60 "$@"; }

# Out of whatever lies over the panes, and out.
leave() {
    press Escape
    sleep 0.5
    press q
    sleep 1
    kill "$terminal" 2>/dev/null || true
    wait "$terminal" 2>/dev/null || true
}

# shot NAME: what is on the screen now.
shot() {
    import -window "$window" "$room/shot.png"
    pngquant --force --nofs --speed 1 --strip --output "$out/$1.png" 64 "$room/shot.png"
    say "$1.png: $(stat -c %s "$out/$1.png") bytes"
}

wanted() { [ ${#names[@]} -eq 0 ] || [[ " ${names[*]} " == *" $1 "* ]]; }

# one NAME SIZE SECONDS PROGRAM [KEY...]: a workload, watched for so long, then the keys, then a picture.
one() {
    local name=$1 size=$2 seconds=$3 words
    read -ra words <<<"$4"
    shift 4
    wanted "$name" || return 0
    run "${words[@]}"
    look "$size"
    sleep "$seconds"
    [ $# -eq 0 ] || { press "$@"; sleep 1; }
    shot "$name"
    leave
    end
}

# A phase ends and another begins, four pictures a second.
film() {
    wanted phases.gif || return 0
    run phases.py 10
    look 110x30
    sleep 6
    local number
    for number in {10..37}; do
        import -window "$window" "$room/film-$number.png"
        sleep 0.2
    done
    # One palette for all, and no dithering: what does not move must not differ from frame to frame.
    convert "$room"/film-{10,20,37}.png -append +dither -colors 32 "$room/palette.png"
    convert -delay 25 -loop 0 "$room"/film-*.png +dither -remap "$room/palette.png" -layers optimize "$out/phases.gif"
    say "phases.gif: $(stat -c %s "$out/phases.gif") bytes"
    leave
    end
}

# option NAME SECONDS PROGRAM OPTION: a picture that is asked for by an option: of a server's master with its workers, of
# the tasks of an event loop.
option() {
    wanted "$1" || return 0
    run "$3"
    look 160x48 "$4"
    sleep "$2"
    shot "$1"
    leave
    end
}

install=no names=()
for word; do
    case $word in
        --install) install=yes ;;
        -*) die "unknown: $word" ;;
        *) names+=("$word") ;;
    esac
done
check_tools
program=${PYFLAME:-}
if [ -z "$program" ]; then
    cargo build --release --quiet
    program=${CARGO_TARGET_DIR:-target}/release/pyflame-tui
fi
program=$(realpath "$program")
trap clean_up EXIT
room=$(mktemp -d)
mkdir -p "$room/app" "$out"
cp assets/*.py "$room/app"
open_screen

one web 160x48 32 "web.py 20"
one web-80x24 80x24 32 "web.py 20"
one web-40x10 40x10 32 "web.py 20"
one threads 160x48 32 "web.py 20" 3
one top 160x48 32 "web.py 20" 4
one timeline 160x48 32 "web.py 20" 1
one find 160x48 32 "web.py 20" slash r e p o r t
one help 160x48 5 "web.py" question
one tower 160x48 12 tower.py
one siblings 160x48 12 siblings.py
one coroutines 160x48 12 coroutines.py
one idle 160x48 12 idle.py
one phases 160x48 24 phases.py
option workers 12 workers.py --subprocesses
option tasks 20 hanging.py --tasks
film
