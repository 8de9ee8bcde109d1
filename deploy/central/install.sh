#!/bin/sh
# The centre on Debian 12, without containers: Prometheus, Alertmanager and VictoriaMetrics from
# Debian, their configuration, and the timers. Run again, it brings all up to date; what is the
# town's (fleet.toml, alertmanager.yml, address.tmpl) is written once and never touched again.
#
#   sudo deploy/central/install.sh --inventory fleet.toml --mail-to it@town.example
#
# --inventory FILE   the town's sites; needed where /etc/netwatch/fleet.toml is not there yet
# --mail-to ADDRESS  who gets the alerts; needed the first time
# --mail-from ADDRESS  who sends them (netwatch@ this machine's name)
# --smtp HOST:PORT   the mail relay (localhost:25). Another machine is spoken to under TLS only
# --smtp-user NAME   with the password in /etc/netwatch/central/smtp.password
# --language fr|en   of the mails (fr)
# --zone NAME        of the office hours (this machine's)
# --grafana URL      where readers of the mails find Grafana (http://localhost:3000)
# --netwatch FILE    netwatch's package (.deb), where no netwatch is installed
# --dry-run          says what would be done, and does nothing
set -eu
umask 022
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=deploy/central/common.sh
. "$here/common.sh"

# shellcheck disable=SC2034  # smtp_user is read by common.sh
inventory="" mail_to="" mail_from="" smtp=localhost:25 smtp_user="" language=fr zone=""
grafana=http://localhost:3000 package="" dry=""
# shellcheck disable=SC2034  # read by common.sh
smtp_password=/etc/netwatch/central/smtp.password
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) sed -n '2,19s/^# \{0,1\}//p' "$0" && exit 0 ;;
        --dry-run) dry=yes && shift && continue ;;
        --*) [ $# -ge 2 ] || fail "$1: needs a value" ;;
        *) fail "unknown argument, got $1: see --help" ;;
    esac
    check_plain "$1" "$2"
    case $1 in
        --inventory) inventory=$2 ;;
        --mail-to) mail_to=$2 ;;
        --mail-from) mail_from=$2 ;;
        --smtp) smtp=$2 ;;
        --smtp-user) smtp_user=$2 ;;
        --language) language=$2 ;;
        --zone) zone=$2 ;;
        --grafana) grafana=$2 ;;
        --netwatch) package=$2 ;;
        *) fail "unknown argument, got $1: see --help" ;;
    esac
    shift 2
done

# -- what it needs, all of it before anything is changed ------------------------------------

[ -n "$dry" ] || [ "$(id -u)" = 0 ] || fail "needs root: sudo $0"
command -v apt-get >/dev/null || fail "needs Debian 12 or a system made from it: there is no apt-get"
case $language in fr | en) ;; *) fail "--language: must be fr or en, got $language" ;; esac
case $smtp in ?*:[0-9]*) ;; *) fail "--smtp: must be HOST:PORT, got $smtp" ;; esac
case $grafana in http://?* | https://?*) ;; *) fail "--grafana: must be an address, got $grafana" ;; esac
zone=${zone:-$(readlink /etc/localtime 2>/dev/null | sed 's|.*/zoneinfo/||')}
zone=${zone:-UTC}
[ -e "/usr/share/zoneinfo/$zone" ] || fail "--zone: there is no zone $zone"
mail_from=${mail_from:-netwatch@$(hostname --fqdn 2>/dev/null || hostname)}
if [ ! -e /etc/netwatch/central/alertmanager.yml ]; then
    [ -n "$mail_to" ] || fail "--mail-to: who gets the alerts? Needed the first time"
    check_mail --mail-to "$mail_to"
    check_mail --mail-from "$mail_from"
fi
if [ -n "$inventory" ]; then
    [ -r "$inventory" ] || fail "--inventory: cannot be read: $inventory"
    if [ -e /etc/netwatch/fleet.toml ] && ! cmp -s "$inventory" /etc/netwatch/fleet.toml; then
        fail "/etc/netwatch/fleet.toml is there already and says something else: edit that, without --inventory"
    fi
elif [ ! -e /etc/netwatch/fleet.toml ]; then
    fail "--inventory: there is no /etc/netwatch/fleet.toml yet; from a spreadsheet: netwatch fleet import sites.csv --output fleet.toml"
fi
if [ -n "$package" ]; then
    [ -r "$package" ] || fail "--netwatch: cannot be read: $package"
elif ! program=$(command -v netwatch); then
    fail "--netwatch: netwatch is not installed: give its package (make deb)"
fi
# Without netwatch here yet, the inventory is read once it is: below.
check_inventory() {
    [ -z "$inventory" ] || "$1" fleet rules --config "$inventory" >/dev/null ||
        fail "--inventory: is refused, see above"
}
if [ -z "$package" ]; then check_inventory "$program"; fi

# -- how things are put in place ------------------------------------------------------------

run() {
    echo "+ $*"
    [ -n "$dry" ] || "$@"
}

# What was written, a line each: for what has to be started anew.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/changed"
has_changed() { grep -q "$1" "$work/changed"; }

# put MODE GROUP TARGET: standard input becomes the file, if it says something else.
put() {
    cat >"$work/new"
    if cmp -s "$work/new" "$3"; then return; fi
    echo "+ write $3"
    echo "$3" >>"$work/changed"
    [ -n "$dry" ] || install -D -o root -g "$2" -m "$1" "$work/new" "$3"
}

# The town's own: written once.
put_once() {
    if [ -e "$3" ]; then cat >/dev/null; else put "$@"; fi
}

# answers COMMAND…: within half a minute.
answers() {
    echo "+ until it answers: $*"
    [ -z "$dry" ] || return 0
    for _ in $(seq 60); do
        if "$@" >"$work/answer" 2>&1; then return; fi
        sleep 0.5
    done
    cat "$work/answer" >&2
    fail "no answer: $* (journalctl -u prometheus -u prometheus-alertmanager -u victoria-metrics)"
}

# -- netwatch, its user, its folders --------------------------------------------------------

if [ -n "$package" ]; then
    fresh=""
    [ -e /usr/bin/netwatch ] || fresh=yes
    run apt-get install -y -qq "$(realpath "$package")"
    program=/usr/bin/netwatch
    # The centre measures no line; where it shall, `systemctl enable --now netwatch-agent`.
    [ -z "$fresh" ] || run systemctl disable --now netwatch-agent.service netwatch-report.timer
    [ -n "$dry" ] || check_inventory "$program"
fi
put 644 root /etc/sysusers.d/netwatch-fleet.conf <"$here/debian/netwatch-fleet.sysusers"
put 644 root /etc/tmpfiles.d/netwatch-fleet.conf <"$here/debian/netwatch-fleet.tmpfiles"
run systemd-sysusers /etc/sysusers.d/netwatch-fleet.conf
run systemd-tmpfiles --create /etc/tmpfiles.d/netwatch-fleet.conf

# -- configuration, before the packages: each starts as it is unpacked ----------------------

[ -z "$inventory" ] || put_once 644 root /etc/netwatch/fleet.toml <"$inventory"
group=netwatch-fleet
render_alertmanager | put_once 640 "$group" /etc/netwatch/central/alertmanager.yml
render_address | put_once 640 "$group" /etc/netwatch/central/templates/address.tmpl
for template in fr en; do
    put 640 "$group" "/etc/netwatch/central/templates/$template.tmpl" <"$here/alertmanager/templates/$template.tmpl"
done
# Secrets lie in /etc/netwatch/central, for Prometheus, Alertmanager and the reports to read.
run chgrp -R "$group" /etc/netwatch/central
run chmod -R u=rwX,g=rX,o= /etc/netwatch/central

for unit in "$root"/systemd/netwatch-fleet*; do
    sed "s|/usr/bin/netwatch|$program|" "$unit" | put 644 root "/etc/systemd/system/$(basename "$unit")"
done
options=$(xargs <"$here/victoria-metrics.args")
for server in prometheus prometheus-alertmanager victoria-metrics; do
    { sed "s|@ARGS@|$options|" "$here/debian/$server.conf" && echo && cat "$here/debian/hardening.conf"; } |
        put 644 root "/etc/systemd/system/$server.service.d/netwatch.conf"
done

# -- Debian's packages; node-exporter, which prometheus recommends, would listen to all. The
# servers' units reload by /bin/kill, which procps has ---------------------------------------

servers="prometheus prometheus-alertmanager victoria-metrics"
# Those that are new are held until their configuration is whole: Debian starts each at once.
held=""
for server in $servers; do
    dpkg-query --show "$server" >/dev/null 2>&1 || held="$held $server"
done
# shellcheck disable=SC2086  # a list of names
[ -z "$held" ] || run systemctl mask --quiet --runtime $held
# shellcheck disable=SC2086
trap 'rm -rf "$work"; [ -n "$dry" ] || [ -z "$held" ] || systemctl unmask --quiet --runtime $held' EXIT
# shellcheck disable=SC2086
run apt-get install -y -qq --no-install-recommends procps $servers
run amtool check-config /etc/netwatch/central/alertmanager.yml

# -- Grafana, where the administrator has it ------------------------------------------------

if [ -d /etc/grafana ]; then
    for file in $(cd "$here/grafana/provisioning" && find . -type f -name '*.yaml' -not -name influx.yaml); do
        sed "s|http://prometheus:9090|http://127.0.0.1:9090|; s|/var/lib/grafana/dashboards|/usr/local/share/netwatch/dashboards|" \
            "$here/grafana/provisioning/$file" | put 640 grafana "/etc/grafana/provisioning/${file#./}"
    done
    for file in $(cd "$root/dashboards" && find prometheus influx -name '*.json'); do
        put 644 root "/usr/local/share/netwatch/dashboards/$file" <"$root/dashboards/$file"
    done
    if has_changed /etc/grafana/; then run systemctl try-restart grafana-server.service; fi
else
    echo "Grafana is not in Debian and not installed here: see deploy/central/README.md"
fi

# -- in force -------------------------------------------------------------------------------

# shellcheck disable=SC2086
[ -z "$held" ] || run systemctl unmask --quiet --runtime $held
run systemctl daemon-reload
# shellcheck disable=SC2086
run systemctl enable --quiet netwatch-fleet.timer netwatch-fleet.path netwatch-fleet-report.timer $servers
run systemctl start netwatch-fleet.service netwatch-fleet.timer netwatch-fleet.path netwatch-fleet-report.timer
for server in $servers; do
    if has_changed "/$server.service.d/"; then
        run systemctl restart "$server.service"
    elif [ "$server" = prometheus-alertmanager ] && has_changed ^/etc/netwatch/central/; then
        run systemctl reload-or-restart "$server.service"
    else
        run systemctl start "$server.service"
    fi
done
answers promtool query instant http://127.0.0.1:9090 "vector(1)"
answers amtool --alertmanager.url=http://127.0.0.1:9093 alert query
answers promtool query instant http://127.0.0.1:8428 "vector(1)"
# A token that Prometheus may not read: said, and no reason to undo the rest.
run setpriv --reuid=prometheus --regid=prometheus --groups="$group" \
    promtool check config /var/lib/netwatch-fleet/prometheus.yml >"$work/answer" 2>&1 ||
    { grep FAILED -A 3 "$work/answer" && echo "^ see deploy/central/README.md, secrets"; } >&2
[ -n "$dry" ] || echo "the centre runs: prometheus 127.0.0.1:9090, alertmanager 127.0.0.1:9093, victoria-metrics 127.0.0.1:8428"
