#!/bin/sh
# Builds dist/netwatch_VERSION_ARCH.deb for Python 3.11, and for this machine's architecture
# or the one that NETWATCH_ARCH names (arm64, amd64): nothing of it is run to build it.
# Every library comes by its hash out of requirements.lock; the same commit gives the same bytes.
set -eu
export LC_ALL=C TZ=UTC PYTHONHASHSEED=0 PIP_DISABLE_PIP_VERSION_CHECK=1
umask 022
root=$(cd "$(dirname "$0")/../../.." && pwd)
here=$root/deploy/agent/deb
output=${1:-$root/dist}
python=${PYTHON:-python3}
maintainer=${NETWATCH_MAINTAINER:-netwatch maintainers <netwatch@packages.invalid>}
if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
    echo "$python: the package is for Python 3.11, that of Debian 12: PYTHON=… names one" >&2
    exit 2
fi
version=${NETWATCH_VERSION:-$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$root/netwatch/__init__.py")}
architecture=${NETWATCH_ARCH:-$(dpkg --print-architecture)}
case $architecture in
    amd64) machine=x86_64 ;;
    arm64) machine=aarch64 ;;
    *)
        echo "$architecture: some of the libraries have no binary release for it, only for arm64 and amd64; there, make run builds what it needs" >&2
        exit 2
        ;;
esac
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || stat -c %Y "$root/CHANGELOG.md")}
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/tree
libraries=$tree/opt/netwatch/lib/python3.11/site-packages
mkdir -p "$libraries" "$tree/opt/netwatch/bin" "$tree/usr/bin" "$tree/DEBIAN" \
    "$tree/lib/systemd/system" "$tree/usr/lib/sysusers.d" "$tree/usr/lib/tmpfiles.d" \
    "$tree/usr/share/doc/netwatch" "$tree/usr/share/lintian/overrides" "$output"

# The libraries, then netwatch out of a copy: a build leaves files where it is made.
# The binary releases that Debian 12's C library (2.36) runs.
platforms="--implementation cp --python-version 3.11 --abi cp311 --abi abi3 --abi none"
for glibc in 2014 _2_17 _2_24 _2_26 _2_27 _2_28 _2_31 _2_34 _2_35; do
    platforms="$platforms --platform manylinux${glibc}_$machine"
done
# A command and its words:
# shellcheck disable=SC2086
"$python" -m pip install --quiet --no-deps --no-compile --require-hashes --only-binary :all: \
    $platforms --root-user-action=ignore --target "$libraries" -r "$here/requirements.lock"
mkdir "$work/source"
cp -R "$root/netwatch" "$root/pyproject.toml" "$root/README.md" "$root/LICENSE" "$work/source"
if [ "$version" != "$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$root/netwatch/__init__.py")" ]; then
    sed -i "s/^__version__ = .*/__version__ = \"$version\"/" "$work/source/netwatch/__init__.py"
fi
PIP_CONSTRAINT=$here/requirements-build.lock "$python" -m pip install --quiet --no-deps --no-compile \
    --root-user-action=ignore --target "$work/own" "$work/source"
cp -R "$work/own/netwatch" "$work/own/"netwatch-*.dist-info "$libraries"

# What no device needs: pip's commands, the libraries' own tests, a second copy of the
# system's time zones, the words of languages that no report is in, and pip's notes of
# where it all came from.
rm -rf "${libraries:?}/bin" "$libraries/tzdata/zoneinfo"
(cd "$libraries" && find . -depth -type d \( -name tests -o -name __pycache__ \) -exec rm -rf {} +)
find "$libraries/babel/locale-data" -name '*.dat' -not -name 'root.dat' -not -name 'en*.dat' -not -name 'fr*.dat' -delete
find "$libraries" -path '*.dist-info/*' \( -name RECORD -o -name INSTALLER -o -name REQUESTED -o -name direct_url.json \) -delete
find "$libraries" -type f -exec chmod 644 {} +

# A virtual environment is a link and these lines; it uses the system's interpreter.
ln -s /usr/bin/python3.11 "$tree/opt/netwatch/bin/python3"
printf 'home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n' \
    >"$tree/opt/netwatch/pyvenv.cfg"
cat >"$tree/opt/netwatch/bin/netwatch" <<'END'
#!/opt/netwatch/bin/python3 -I
import sys

from netwatch.cli.main import main

if __name__ == "__main__":  # a fleet report's workers load this file too
    sys.exit(main())
END
chmod 755 "$tree/opt/netwatch/bin/netwatch"
ln -s /opt/netwatch/bin/netwatch "$tree/usr/bin/netwatch"
# Compiled here, for commands and for the agent (-OO): a card is written once, and a start
# on a small machine need not compile. Their sources change only with the package.
"$python" -m compileall -q -j 0 -o 0 -o 2 --invalidation-mode unchecked-hash \
    -s "$tree" -p / "$tree/opt/netwatch/lib"

cp "$root/systemd/netwatch-agent.service" "$root/systemd/netwatch-report.service" \
    "$root/systemd/netwatch-report.timer" \
    "$root/systemd/netwatch-configure.service" "$root/systemd/netwatch-configure.timer" "$tree/lib/systemd/system"
cp "$here/netwatch.sysusers" "$tree/usr/lib/sysusers.d/netwatch.conf"
cp "$here/netwatch.tmpfiles" "$tree/usr/lib/tmpfiles.d/netwatch.conf"
cp "$here/lintian-overrides" "$tree/usr/share/lintian/overrides/netwatch"
documents=$tree/usr/share/doc/netwatch
cp "$here/copyright" "$root/LICENSE" "$root/README.md" "$root/CHANGELOG.md" "$root"/docs/*.md "$documents"
cp -R "$root/docs/fr" "$root/README.fr.md" "$documents"
printf 'netwatch (%s) stable; urgency=medium\n\n  * See /usr/share/doc/netwatch/CHANGELOG.md.\n\n -- %s  %s\n' \
    "$version" "$maintainer" "$(date -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$documents/changelog.gz"

cp "$here/postinst" "$here/prerm" "$here/postrm" "$tree/DEBIAN"
chmod 755 "$tree/DEBIAN/postinst" "$tree/DEBIAN/prerm" "$tree/DEBIAN/postrm"
(cd "$tree" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum) \
    >"$tree/DEBIAN/md5sums"
# As policy counts (5.6.20): files by their length, one for all else; no file system's own sizes.
size_kib=$(cd "$tree" && find . -path ./DEBIAN -prune -o -printf '%y %s\n' |
    awk '{ total += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print total }')
cat >"$tree/DEBIAN/control" <<END
Package: netwatch
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $size_kib
Depends: python3 (>= 3.11), python3 (<< 3.12), libc6 (>= 2.34), systemd (>= 250), init-system-helpers (>= 1.54), passwd, tzdata, libpango-1.0-0, libpangoft2-1.0-0, libharfbuzz-subset0, fonts-dejavu-core
Section: net
Priority: optional
Description: keeps the books of an internet line, where it stands
 A light agent for a small machine in each building of a town: every second
 of its internet line is entered as up, degraded, down or unknown, with its
 cause. It exports Prometheus metrics, serves a page, and writes the monthly
 report of availability with the evidence that it follows from.
END
find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
package=$output/netwatch_${version}_$architecture.deb
# Beside it, what it carries.
"$python" "$here/sbom.py" "$libraries" "$version" "$SOURCE_DATE_EPOCH" >"${package%.deb}.cdx.json"
# One thread: how xz cuts its blocks must not depend on the machine.
dpkg-deb --root-owner-group --threads-max=1 -Zxz -z3 --build "$tree" "$package" >/dev/null
echo "$package"
