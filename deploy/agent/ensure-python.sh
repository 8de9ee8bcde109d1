#!/bin/sh
# Says what is missing before pip says it in its own way.
set -eu
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "netwatch needs Python 3.11 or later. On Debian 12: sudo apt-get install python3 python3-venv" >&2
    exit 2
fi
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ]; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv
    else
        echo "Python's venv module is missing: sudo apt-get install python3-venv" >&2
        exit 2
    fi
fi
