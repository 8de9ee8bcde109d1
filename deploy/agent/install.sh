#!/bin/sh
# Puts the agent on a system for which there is no package: any Linux with systemd and
# Python 3.11 or later. Run again, it upgrades; what was there stays until the new one runs.
#
#   sudo deploy/agent/install.sh [--wheels DIR] [--dry-run]     install or upgrade
#   sudo deploy/agent/install.sh --uninstall                    the program goes; settings and books stay
#   sudo deploy/agent/install.sh --purge                        everything goes
#
# --wheels DIR: take the libraries from this folder and nothing from the network (made by
#   pip download -r deploy/agent/deb/requirements.lock setuptools wheel --dest DIR).
# PYTHON=…: another interpreter than python3.
set -eu
umask 022
root=$(cd "$(dirname "$0")/../.." && pwd)
lock=$root/deploy/agent/deb/requirements.lock
prefix=/opt/netwatch
units="netwatch-agent.service netwatch-report.service netwatch-report.timer netwatch-configure.service netwatch-configure.timer"
enabled="netwatch-agent.service netwatch-report.timer netwatch-configure.timer"
python=${PYTHON:-python3}
action=install wheels="" dry=""

fail() {
    echo "install.sh: $1" >&2
    exit 2
}

run() {
    if [ -n "$dry" ]; then echo "+ $*"; else "$@"; fi
}

while [ $# -gt 0 ]; do
    case $1 in
        --dry-run) dry=yes ;;
        --uninstall) action=uninstall ;;
        --purge) action=purge ;;
        --wheels)
            [ $# -ge 2 ] || fail "--wheels: needs a folder"
            [ -d "$2" ] || fail "--wheels: no such folder, got $2"
            wheels=$(cd "$2" && pwd)
            shift
            ;;
        -h | --help)
            sed -n '2,12s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        *) fail "unknown argument, got $1: see --help" ;;
    esac
    shift
done

if command -v dpkg-query >/dev/null && dpkg-query --show --showformat='${db:Status-Status}' netwatch 2>/dev/null | grep -qx installed; then
    fail "the Debian package netwatch is installed: use apt, or apt remove netwatch first"
fi
[ -n "$dry" ] || [ "$(id -u)" = 0 ] || fail "needs root: sudo $0"
command -v systemctl >/dev/null || fail "needs systemd. Elsewhere: make run, under a supervisor of yours"

# Whether systemd is there to be talked to: not while an image is being built.
is_booted() { [ -d /run/systemd/system ]; }

if [ "$action" != install ]; then
    for unit in $units; do
        # Not there, or not loaded: what is wanted.
        if is_booted; then run systemctl disable --now --quiet "$unit" 2>/dev/null || true; fi
        run rm -f "/etc/systemd/system/$unit" "/etc/systemd/system/multi-user.target.wants/$unit" \
            "/etc/systemd/system/timers.target.wants/$unit"
    done
    run rm -rf "$prefix" /usr/local/bin/netwatch
    if [ "$action" = purge ]; then
        run rm -rf /etc/netwatch /var/lib/netwatch
        run rm -f /var/lib/systemd/timers/stamp-netwatch-report.timer /var/lib/systemd/timers/stamp-netwatch-configure.timer
        if getent passwd netwatch >/dev/null; then run userdel netwatch; fi
    fi
    run rm -f /etc/sysusers.d/netwatch.conf /etc/tmpfiles.d/netwatch.conf
    if is_booted; then run systemctl daemon-reload; fi
    exit 0
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "needs Python 3.11 or later, got $("$python" --version 2>&1 || echo "no $python"): PYTHON=… names one"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "Python's venv module is missing: install python3-venv"

# Each installation in a folder of its own: the one that runs is not touched.
release=$prefix/releases/$(date -u +%Y%m%dT%H%M%SZ)
run mkdir -p "$prefix/releases"
run "$python" -m venv "$release"
pip="$release/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --root-user-action=ignore"
if [ -n "$wheels" ]; then pip="$pip --no-index --find-links $wheels"; fi
give_up() {
    [ -n "$dry" ] || rm -rf "$release"
    fail "$1"
}
# Built out of a copy: a build leaves files where it is made.
source=$(mktemp -d)
trap 'rm -rf "$source"' EXIT
cp -R "$root/netwatch" "$root/pyproject.toml" "$root/README.md" "$root/LICENSE" "$source"
# A command and its words:
# shellcheck disable=SC2086
run $pip --no-deps --require-hashes --only-binary :all: -r "$lock" ||
    give_up "the libraries could not be had (nothing was changed)"
export PIP_CONSTRAINT="$root/deploy/agent/deb/requirements-build.lock"
# shellcheck disable=SC2086
run $pip --no-deps "$source" ||
    give_up "netwatch could not be built (nothing was changed)"
# The agent runs with -OO, and may not write here: compiled now.
run "$release/bin/python" -m compileall -q -o 0 -o 2 "$release/lib"

run mkdir -p /etc/sysusers.d /etc/tmpfiles.d
for kind in sysusers tmpfiles; do
    run install -m 644 "$root/deploy/agent/deb/netwatch.$kind" "/etc/$kind.d/netwatch.conf"
done
run systemd-sysusers netwatch.conf
run systemd-tmpfiles --create netwatch.conf

before=$(readlink "$prefix/current" 2>/dev/null || true)
run ln -sfn "$release" "$prefix/next"
run mv -T "$prefix/next" "$prefix/current"
run mkdir -p /usr/local/bin
run ln -sfn "$prefix/current/bin/netwatch" /usr/local/bin/netwatch
for unit in $units; do
    if [ -n "$dry" ]; then
        echo "+ /etc/systemd/system/$unit"
    else
        sed "s#/usr/bin/netwatch#/usr/local/bin/netwatch#g" "$root/systemd/$unit" >"/etc/systemd/system/$unit"
    fi
done

# Written once, from what is detected here, and never touched again.
if [ ! -e /etc/netwatch/agent.toml ]; then
    run /usr/local/bin/netwatch init --output /etc/netwatch/agent.toml
    run chown root:netwatch /etc/netwatch/agent.toml
    run chmod 640 /etc/netwatch/agent.toml
fi

if is_booted; then
    run systemctl daemon-reload
    # shellcheck disable=SC2086
    run systemctl enable --quiet $enabled
    # A service of Type=notify: this comes back once it measures, or says that it does not.
    if run systemctl restart netwatch-agent.service && run systemctl start netwatch-report.timer netwatch-configure.timer; then
        :
    elif [ -n "$before" ] && [ -d "$before" ]; then
        ln -sfn "$before" "$prefix/next" && mv -T "$prefix/next" "$prefix/current"
        systemctl restart netwatch-agent.service || true
        give_up "the new agent did not start, the one before runs on: journalctl -u netwatch-agent"
    else
        fail "the agent did not start: journalctl -u netwatch-agent"
    fi
else
    # shellcheck disable=SC2086
    run systemctl enable --quiet $enabled
fi
# The newest two stay: this one, and the one to go back to.
if [ -z "$dry" ]; then
    for old in "$prefix"/releases/*; do
        if [ "$old" != "$release" ] && [ "$old" != "$before" ]; then rm -rf "$old"; fi
    done
fi
echo "netwatch is installed: netwatch status; settings in /etc/netwatch/agent.toml"
