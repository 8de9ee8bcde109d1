#!/bin/sh
# On the device, once: leaves a service that installs the agent as soon as it can, and takes
# what is secret off the boot partition, which anybody with the card can read on any machine.
set -eu
card=$(cd "$(dirname "$0")" && pwd)
place=/var/lib/netwatch-first-boot
umask 077
mkdir -p "$place"
for file in netwatch.deb site.env centre.pub centre.pem central.token; do
    if [ -e "$card/$file" ]; then cp "$card/$file" "$place/$file"; fi
done
sync
rm -f "$card/central.token"

cat >"$place/install.sh" <<'END'
#!/bin/sh
# Every minute until it has come about: a school's network may be late.
set -eu
cd /var/lib/netwatch-first-boot
. ./site.env
export DEBIAN_FRONTEND=noninteractive
if ! dpkg-query --show --showformat='${db:Status-Status}' netwatch 2>/dev/null | grep -qx installed; then
    # Straight if all that it needs is there, else with what the network gives.
    dpkg --install netwatch.deb || { apt-get update && apt-get --yes --fix-broken install; }
fi
if [ -n "$CENTRE" ]; then
    set -- --from-fleet "$CENTRE" --site "$SITE" --key centre.pub
    if [ -e central.token ]; then
        install -m 600 -o root -g root central.token /etc/netwatch/secrets/central.token
        set -- "$@" --token-file /etc/netwatch/secrets/central.token
    fi
    if [ -e centre.pem ]; then
        install -m 644 centre.pem /etc/netwatch/centre.pem
        set -- "$@" --certificate-authority /etc/netwatch/centre.pem
    fi
    netwatch init "$@" --output /etc/netwatch/agent.toml --force
else
    sed -i "0,/^id = .*/s//id = \"$SITE\"/" /etc/netwatch/agent.toml
fi
chown root:netwatch /etc/netwatch/agent.toml
chmod 640 /etc/netwatch/agent.toml
systemctl restart netwatch-agent.service
systemctl disable netwatch-first-boot.service
rm -rf /etc/systemd/system/netwatch-first-boot.service /var/lib/netwatch-first-boot
END
cat >/etc/systemd/system/netwatch-first-boot.service <<'END'
[Unit]
Description=netwatch: installs the agent on a new card
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/bin/sh /var/lib/netwatch-first-boot/install.sh
Restart=on-failure
RestartSec=60s

[Install]
WantedBy=multi-user.target
END
chmod 644 /etc/systemd/system/netwatch-first-boot.service
systemctl enable netwatch-first-boot.service
if [ "${1:-}" = --first-run ]; then
    # The kernel's command line says this once only.
    for line in /boot/firmware/cmdline.txt /boot/cmdline.txt; do
        if [ -e "$line" ]; then sed -i 's# systemd\.run=.*$##' "$line"; fi
    done
else
    systemctl daemon-reload
    systemctl start --no-block netwatch-first-boot.service
fi
