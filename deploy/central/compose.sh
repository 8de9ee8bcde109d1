#!/bin/sh
# The centre in containers: writes what compose.yaml mounts, as install.sh does, and starts it.
#
#   sudo deploy/central/compose.sh up --inventory fleet.toml --mail-to it@town.example
#   sudo deploy/central/compose.sh update     after a change of /etc/netwatch/fleet.toml, and each night
#
# It takes install.sh's --inventory, --mail-to, --mail-from, --smtp, --smtp-user, --language,
# --zone, --grafana and --dry-run. netwatch itself runs on this machine, not in a container.
set -eu
umask 022
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=deploy/central/common.sh
. "$here/common.sh"

# shellcheck disable=SC2034  # smtp_user and smtp_password are read by common.sh
inventory="" mail_to="" mail_from="" smtp="" smtp_user="" language=fr zone=""
grafana=http://localhost:3000 dry=""
fleet=/etc/netwatch/fleet.toml files=/etc/prometheus/netwatch central=/etc/netwatch/central
secrets=/etc/netwatch/central-secrets
# shellcheck disable=SC2034
smtp_password=/run/secrets/smtp_password
action=${1:-}
case $action in
    up | update) shift ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) fail "up or update, got '$action': see --help" ;;
esac
while [ $# -gt 0 ]; do
    case $1 in
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
        *) fail "unknown argument, got $1: see --help" ;;
    esac
    shift 2
done

[ -n "$dry" ] || [ "$(id -u)" = 0 ] || fail "needs root: sudo $0"
command -v netwatch >/dev/null || fail "netwatch is not installed on this machine: its package, or pip install 'netwatch[fleet]'"
case $language in fr | en) ;; *) fail "--language: must be fr or en, got $language" ;; esac
zone=${zone:-$(readlink /etc/localtime 2>/dev/null | sed 's|.*/zoneinfo/||')}
zone=${zone:-UTC}
[ -e "/usr/share/zoneinfo/$zone" ] || fail "--zone: there is no zone $zone"
if [ ! -e "$central/alertmanager.yml" ]; then
    check_mail --mail-to "$mail_to"
    mail_from=${mail_from:-$mail_to}
    check_mail --mail-from "$mail_from"
    case $smtp in ?*:[0-9]*) ;; *) fail "--smtp: must be HOST:PORT of your mail relay, got '$smtp'" ;; esac
fi
[ -e "$fleet" ] || [ -r "$inventory" ] || fail "--inventory: there is no $fleet yet, and it cannot be read: '$inventory'"
if docker compose version >/dev/null 2>&1; then
    compose="docker compose"
elif command -v docker-compose >/dev/null; then
    compose=docker-compose
else
    fail "neither docker compose nor docker-compose is here"
fi
export NETWATCH_ZONE="$zone" NETWATCH_GRAFANA="$grafana"

run() {
    echo "+ $*"
    [ -n "$dry" ] || "$@"
}

# shellcheck disable=SC2086  # one word or two
compose() { run $compose --project-name netwatch --file "$here/compose.yaml" "$@"; }

# place TARGET: standard input becomes the file, readable by the containers' users.
place() {
    echo "+ write $1"
    if [ -n "$dry" ]; then cat >/dev/null; else install -D -m 644 /dev/stdin "$1"; fi
}

# Made here and by chance, each once: nobody has chosen it and nobody need know it.
secret() {
    if [ -s "$secrets/$1" ]; then return; fi
    echo "+ write $secrets/$1 (chosen by chance)"
    [ -n "$dry" ] || head -c 32 /dev/urandom | base64 | tr -d '+/=\n' | install -D -m 400 -o "$2" /dev/stdin "$secrets/$1"
}

[ -e "$fleet" ] || place "$fleet" <"$inventory"
[ -e "$central/alertmanager.yml" ] || render_alertmanager | place "$central/alertmanager.yml"
[ -e "$central/templates/address.tmpl" ] || render_address | place "$central/templates/address.tmpl"
for template in fr en; do
    place "$central/templates/$template.tmpl" <"$here/alertmanager/templates/$template.tmpl"
done
run mkdir -p "$files/rules"
run netwatch fleet rules --config "$fleet" --output "$files/rules"
run netwatch fleet targets --config "$fleet" --output "$files/targets.json"
run netwatch fleet scrape --config "$fleet" --output "$files/prometheus.yml" \
    --targets-file "$files/targets.json" --rules-files "$files/rules/*.yml" --alertmanager alertmanager:9093

if [ "$action" = update ]; then
    compose kill -s SIGHUP prometheus
    compose kill -s SIGHUP alertmanager
    exit 0
fi

# The users of the images: root starts InfluxDB, 472 is Grafana, 65534 Prometheus and its kin.
run install -d -m 711 "$secrets"
secret grafana_password 472
secret influx_password 0
secret influx_admin_token 0
if [ ! -e "$secrets/smtp_password" ]; then
    case $smtp_user in
        "") run install -m 400 -o 65534 /dev/null "$secrets/smtp_password" ;;
        *) fail "--smtp-user: write the password into $secrets/smtp_password, owner 65534, mode 400" ;;
    esac
fi
# What Grafana reads by may read and nothing else; InfluxDB alone can make it.
if [ ! -s "$secrets/influx_read_token" ]; then
    run install -m 400 -o 472 /dev/null "$secrets/influx_read_token"
    compose up --detach influxdb
    if [ -z "$dry" ]; then
        for _ in $(seq 60); do
            if compose exec -T influxdb influx ping >/dev/null 2>&1; then break; fi
            sleep 2
        done
        compose exec -T influxdb influx auth create --org netwatch --read-buckets --json |
            sed -n 's/.*"token": *"\([^"]*\)".*/\1/p' >"$secrets/influx_read_token"
        [ -s "$secrets/influx_read_token" ] || fail "InfluxDB gave no token: $compose logs influxdb"
    fi
fi
compose up --detach
[ -n "$dry" ] || echo "grafana: http://127.0.0.1:3000, user netwatch, password in $secrets/grafana_password"
