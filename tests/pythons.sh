#!/usr/bin/env bash
# Fetches the interpreters that the live tests want and that a machine seldom has:
#
#   sid     a Debian sid root (debootstrap) with CPython 3.13, 3.14 and 3.15, their
#           debug builds, uWSGI with its Python plugin, and PyPy (which must be refused)
#   ft313   a free-threaded CPython 3.13, built from Debian's source package
#   ft314   the same for 3.14, where the mirror has its source package
#   ft315   the same for 3.15, likewise
#
# Usage: tests/pythons.sh [all | STEP...]     without arguments: sid ft313
#
# On two cores sid takes one minute, and a free-threaded build one and a half.
#
# All of it lands in ${PYFLAME_TEST_PYTHONS:-${XDG_CACHE_HOME:-~/.cache}/pyflame-tui/pythons}
# and is listed in index.tsv there, which the live tests read. A step that is already there
# costs nothing; one that was interrupted starts again. A step that fails says why, the
# others go on, and the exit status is 0 only if everything that was asked for is there.
#
# PYFLAME_TEST_SOURCES may name a directory with CPython's own tarballs (Python-3.14.2.tar.xz):
# the free-threaded builds then use these and do not ask the mirror.
#
# Needs root (debootstrap, chroot) and a Debian-like machine whose apt is set up: packages
# come from the very mirror that this machine's own apt sources name.
set -euo pipefail
exec </dev/null

cache=${PYFLAME_TEST_PYTHONS:-${XDG_CACHE_HOME:-$HOME/.cache}/pyflame-tui/pythons}
root=$cache/sid
logs=$cache/log

# A change of recipe is a change of this number: what an older recipe made is made again.
recipe=1

# Packages of the sid root. The required ones must install; the others are what sid happens
# to have as well, and a day when it has not is no failure.
required=(python3.14 python3.14-dbg python3.15 python3.15-dbg uwsgi uwsgi-plugin-python3)
optional=(python3.13 python3.13-dbg pypy3)

say() { printf 'pythons: %s\n' "$*"; }

# The first http(s) mirror of a Debian archive (not the security one, which has no sid) that
# apt is set up with: one-line style first, then deb822 style.
mirror() {
    local uri
    uri=$(
        {
            cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
                sed -nE 's/^[[:space:]]*deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\2/p'
            cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
                sed -nE 's/^URIs:[[:space:]]*([^[:space:]]+).*/\1/Ip'
        } | grep -E '^https?://[^[:space:]]*/debian/?$' | head -n 1
    ) || true
    [ -n "$uri" ] || {
        echo "no Debian mirror in /etc/apt/sources.list or /etc/apt/sources.list.d" >&2
        return 1
    }
    printf '%s\n' "${uri%/}"
}

# Installs what is missing of the named programs' packages: `ensure PROGRAM=PACKAGE...`
ensure() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    [ ${#missing[@]} -eq 0 ] && return
    apt-get -q update && apt-get -qy install --no-install-recommends "${missing[@]}"
}

in_root() { DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot "$root" "$@"; }

# One line of the index: name, root or "-", command, version, build flags.
# A command that does not start leaves no line, so that nobody believes in it.
entry() {
    local name=$1 where=$2 command=$3 flags=$4 version
    local ask='import sys; sys.stdout.write(".".join(map(str, sys.version_info[:3])))'
    if [ "$where" = - ]; then
        version=$("$command" -c "$ask")
    else
        version=$(in_root "$command" -c "$ask")
    fi || return 1
    printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$where" "$command" "$version" "$flags"
}

# ---- the steps: each writes its part of the index on descriptor 3, all else is its log ----

step_sid() {
    ensure debootstrap=debootstrap
    local uri package found=()
    uri=$(mirror)
    if [ ! -e "$root/.bootstrapped" ]; then
        rm -rf --one-file-system "$root"
        debootstrap --variant=minbase --include=ca-certificates sid "$root" "$uri"
        # No manual pages, documents or translations: half of the bytes, none of the use.
        printf 'path-exclude=/usr/share/%s/*\n' doc man locale info \
            >"$root/etc/dpkg/dpkg.cfg.d/slim"
        # A mirror may lag behind; its signature counts, not its age.
        echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/age"
        printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"   # start no services
        chmod 755 "$root/usr/sbin/policy-rc.d"
        touch "$root/.bootstrapped"
    fi
    {
        printf 'deb %s sid main\n' "$uri"
        printf "deb-src $uri %s main\n" sid testing stable
    } >"$root/etc/apt/sources.list"
    in_root apt-get -q update
    for package in "${optional[@]}"; do
        case $(in_root apt-cache policy "$package") in
            *"Candidate: "[0-9]*) found+=("$package") ;;
            *) echo "sid has no $package today" ;;
        esac
    done
    # sid breaks now and then; an optional package that cannot be installed today must not
    # take the required ones with it.
    in_root apt-get -qy install --no-install-recommends "${required[@]}" "${found[@]}" ||
        in_root apt-get -qy install --no-install-recommends "${required[@]}"
    in_root apt-get clean

    local v
    for v in 3.14 3.15; do
        entry "sid-$v" "$root" "/usr/bin/python$v" release >&3
        entry "sid-$v-debug" "$root" "/usr/bin/python$v-dbg" debug >&3
    done
    for v in 3.13 3.13-dbg; do
        [ -x "$root/usr/bin/python$v" ] || continue
        case $v in
            *-dbg) entry "sid-${v%-dbg}-debug" "$root" "/usr/bin/python$v" debug >&3 || true ;;
            *) entry "sid-$v" "$root" "/usr/bin/python$v" release >&3 || true ;;
        esac
    done
    if [ -x "$root/usr/bin/pypy3" ]; then
        entry sid-pypy3 "$root" /usr/bin/pypy3 pypy >&3 || true
    fi
    # uWSGI is no interpreter that takes a program; it takes one as its --wsgi-file.
    local plugin
    plugin=$(in_root sh -c 'ls /usr/lib/uwsgi/plugins' | sed -nE 's/^(python3[0-9]+)_plugin\.so$/\1/p;T;q')
    [ -n "$plugin" ]
    printf 'sid-uwsgi\t%s\t/usr/bin/uwsgi\t%s\tuwsgi,%s\n' "$root" \
        "3.${plugin#python3}" "$plugin" >&3
}

# Writes the upstream tarball of python$1 to stdout. All suites are asked, newest version
# first, because a mirror may list a version of which it has only the binaries.
tarball() {
    local version=$1 dir=/tmp/source-$1 candidate
    for candidate in "${PYFLAME_TEST_SOURCES:-/nonexistent}/Python-$version".*.tar.xz; do
        if [ -e "$candidate" ]; then
            cat "$candidate"
            return
        fi
    done
    [ -e "$root/.bootstrapped" ] || {
        echo "the source package is fetched through the sid root: run '$0 sid' first" >&2
        return 1
    }
    rm -rf "${root:?}$dir"
    mkdir -p "$root$dir"
    in_root apt-get -q update >&2
    for candidate in $(in_root apt-cache showsrc --only-source "python$version" |
        sed -n 's/^Version: //p' | sort -Vru); do
        if in_root sh -c "cd $dir && apt-get -q -o APT::Sandbox::User=root \
            source --download-only python$version=$candidate" >&2; then
            cat "$root$dir/"*.orig.tar.xz
            rm -rf "${root:?}$dir"
            return
        fi
        rm -rf "${root:?}$dir"/*
    done
    echo "no suite of this mirror has a source package of python$version to fetch" >&2
    return 1
}

# A free-threaded build of the version given. It is built on the machine, not in the root, so
# that it runs without a chroot, and from the upstream tarball that the source package holds.
# -O2 and no debug information: half of the compile time, and the layout is the same.
step_ft() {
    local version=$1 name=ft${1/./} source=$cache/source/$1
    ensure gcc=gcc make=make xz=xz-utils pkg-config=pkg-config
    # ctypes needs libffi; the test programs want it for prctl.
    [ -e /usr/include/ffi.h ] || [ -n "$(find /usr/include -name ffi.h -print -quit)" ] ||
        { apt-get -q update && apt-get -qy install --no-install-recommends libffi-dev; }

    rm -rf "$source"
    mkdir -p "$source"
    tarball "$version" >"$source.tar.xz"
    tar -xJf "$source.tar.xz" -C "$source" --strip-components=1
    cd "$source"
    ./configure -q --prefix="$cache/$name" --disable-gil --disable-test-modules \
        --without-ensurepip OPT="-DNDEBUG -O2" CFLAGS=-g0
    make -s -j"$(nproc)" CFLAGS_NODIST= all
    rm -rf "${cache:?}/$name"
    make -s altinstall
    cd "$cache"
    rm -rf "$source" "$source.tar.xz"
    local python=$cache/$name/bin/python${version}t
    [ "$("$python" -c 'import sys; print(sys._is_gil_enabled())')" = False ]
    entry "$name" - "$python" free-threaded >&3
}

step_ft313() { step_ft 3.13; }
step_ft314() { step_ft 3.14; }
step_ft315() { step_ft 3.15; }

# ---- the frame around them ----

# A step is there when its part of the index is, was made by this recipe, and every command
# that it lists still exists.
present() {
    local part=$cache/$1.part name where command rest
    [ -s "$part" ] || return 1
    {
        read -r rest
        [ "$rest" = "# recipe $recipe" ] || return 1
        while IFS=$'\t' read -r name where command rest; do
            [ "$where" = - ] && where=
            # A link may well point at an absolute path inside the root.
            [ -x "$where$command" ] || [ -L "$where$command" ] || return 1
        done
    } <"$part"
}

run_step() {
    local step=$1 begin=$SECONDS
    if present "$step"; then
        return
    fi
    if [ "$(id -u)" -ne 0 ]; then
        say "$step: FAILED: not there yet, and fetching it needs root"
        return 1
    fi
    say "$step: fetching and building, log in $logs/$step.log"
    rm -f "$cache/$step.part"
    # The subshell is not tested (`if`, `||`) by its caller: that would switch errexit off in
    # it and let a step go on past its own failure.
    set +e
    (
        set -e
        cd "$cache"
        echo "# recipe $recipe" >&3
        "step_$step"
    ) 3>"$cache/$step.part.new" >"$logs/$step.log" 2>&1
    local status=$?
    set -e
    if [ "$status" -eq 0 ]; then
        mv "$cache/$step.part.new" "$cache/$step.part"
        say "$step: done in $((SECONDS - begin)) s"
    else
        rm -f "$cache/$step.part.new"
        say "$step: FAILED after $((SECONDS - begin)) s; the end of its log:"
        tail -n 15 "$logs/$step.log" | sed 's/^/    /'
    fi
    return "$status"
}

write_index() {
    local part
    {
        printf '# name\troot\tcommand\tversion\tflags\n'
        for part in "$cache"/*.part; do
            [ -e "$part" ] && sed 1d "$part"
        done
    } >"$cache/index.tsv.new"
    mv "$cache/index.tsv.new" "$cache/index.tsv"
}

steps=()
for word in "${@:-default}"; do
    case $word in
        default) steps+=(sid ft313) ;;
        all) steps+=(sid ft313 ft314 ft315) ;;
        sid | ft313 | ft314 | ft315) steps+=("$word") ;;
        *)
            echo "Usage: $0 [all | sid | ft313 | ft314 | ft315]..." >&2
            exit 2
            ;;
    esac
done

mkdir -p "$cache" "$logs"
# Two runs at once would unpack into one another; the second waits for the first.
exec 9>"$cache/lock"
flock 9

failed=()
for step in "${steps[@]}"; do
    # Called plainly, for the reason given in run_step.
    set +e
    run_step "$step"
    status=$?
    set -e
    [ "$status" -eq 0 ] || failed+=("$step")
done
write_index

if [ ${#failed[@]} -gt 0 ]; then
    say "missing: ${failed[*]}"
    exit 1
fi
say "all there: ${steps[*]} ($cache/index.tsv)"
