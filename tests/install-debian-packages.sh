#!/bin/sh
# The real counterparts that the tests run against. As root it installs what is missing;
# otherwise it names it and, under CI=true, fails.
set -eu
packages="
    iproute2:ip nftables:nft fping:fping prometheus:promtool
    prometheus-alertmanager:amtool docker-compose:docker-compose
    prometheus-blackbox-exporter:prometheus-blackbox-exporter
    prometheus-smokeping-prober:prometheus-smokeping-prober
    victoria-metrics:victoria-metrics influxdb:influxd faketime:faketime
    iperf3:iperf3 snmpd:snmpd dnsmasq-base:dnsmasq nginx-light:nginx chromium:chromium chromium-driver:chromedriver
    poppler-utils:pdftoppm openssl:openssl openssh-client:ssh-keygen
    debootstrap:debootstrap systemd:systemd-analyze systemd-container:systemd-nspawn lintian:lintian binutils:ar
    e2fsprogs:mkfs.ext4 mount:losetup util-linux:setpriv npm:npm
    fonts-dejavu-core:/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
    libpango-1.0-0:/usr/share/doc/libpango-1.0-0 libpangoft2-1.0-0:/usr/share/doc/libpangoft2-1.0-0
"
missing=""
for pair in $packages; do
    name=${pair%%:*} proof=${pair#*:}
    case $proof in
        /*) [ -e "$proof" ] || missing="$missing $name" ;;
        *) PATH="$PATH:/usr/sbin:/sbin" command -v "$proof" >/dev/null || missing="$missing $name" ;;
    esac
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ]; then
    # Packages that bring a service must not start it here.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    apt-get update -qq
    # A list of names:
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    # Nor at the next boot: the tests start an InfluxDB of their own.
    case " $missing " in
        *" influxdb "*) systemctl disable --quiet influxdb 2>/dev/null || true ;;
    esac
elif [ "${CI:-}" = true ]; then
    echo "these Debian packages are missing and only root can install them:$missing" >&2
    exit 1
else
    echo "some tests will fail without these Debian packages: sudo apt-get install$missing" >&2
fi
