#!/bin/sh
# Puts netwatch on a card that Raspberry Pi Imager has just written: at its first start the
# device installs the package, takes its configuration from the town's centre, and measures.
#
#   prepare-card.sh BOOT --package netwatch_0.1.0_arm64.deb --site ecole-jaures \
#       [--centre https://centre.ville.example.fr/netwatch --key centre-key.pub \
#        [--token-file FILE] [--certificate-authority PEM]]
#
# BOOT is the card's small partition (bootfs), as it is mounted here. Without --centre the
# device writes its own first configuration, from what it detects.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
boot="" package="" site="" centre="" key="" token="" authority=""

fail() {
    echo "prepare-card.sh: $1" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        -h | --help)
            sed -n '2,11s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        --package | --site | --centre | --key | --token-file | --certificate-authority)
            [ $# -ge 2 ] || fail "$1: needs a value"
            case $1 in
                --package) package=$2 ;;
                --site) site=$2 ;;
                --centre) centre=$2 ;;
                --key) key=$2 ;;
                --token-file) token=$2 ;;
                --certificate-authority) authority=$2 ;;
            esac
            shift
            ;;
        -*) fail "unknown option, got $1: see --help" ;;
        *)
            [ -z "$boot" ] || fail "one card at a time, got $boot and $1"
            boot=$1
            ;;
    esac
    shift
done

[ -n "$boot" ] || fail "needs the card's boot partition, as it is mounted here: see --help"
[ -f "$boot/cmdline.txt" ] || fail "no cmdline.txt in $boot: is this the boot partition of a Raspberry Pi OS card?"
[ -n "$package" ] || fail "--package: is missing"
[ -n "$site" ] || fail "--site: is missing"
printf '%s\n' "$site" | grep -Eqx '[a-z0-9][a-z0-9-]{0,62}' ||
    fail "--site: must be small letters, digits and hyphens, at most 63, got $site"
for file in "$package" "$key" "$token" "$authority"; do
    [ -z "$file" ] || { [ -f "$file" ] && [ -r "$file" ]; } || fail "no such file, or it cannot be read, got $file"
done
[ "$(head -c 7 "$package")" = '!<arch>' ] || fail "--package: is no .deb, got $package"
if [ -n "$centre" ]; then
    [ -n "$key" ] || fail "--key: is missing: the public key by which the centre is believed"
    # As the agent will have it; nothing in it that a shell would take for more than a word.
    printf '%s\n' "$centre" |
        grep -Eqx '(https://[][A-Za-z0-9]|http://(127\.0\.0\.1|localhost|\[::1\])(:|/|$))[][A-Za-z0-9._~:/@%+,=-]*' ||
        fail "--centre: must be a URL that begins with https://, without spaces and quotes, got $centre"
    # Anybody who has the card can read it: the key that signs must never get there.
    ! grep -q 'PRIVATE KEY' "$key" || fail "--key: is the private key, which must not leave its place: give its public part, $key.pub"
    grep -Eq '^ssh-ed25519 |PUBLIC KEY' "$key" || fail "--key: is no public key of Ed25519, got $key"
    [ -z "$token" ] || grep -q '[^[:space:]]' "$token" || fail "--token-file: is empty, got $token"
else
    [ -z "$key$token$authority" ] || fail "--key, --token-file and --certificate-authority need --centre"
fi

# What will be run on the device's first start, and by whom: found out before anything is written.
hook=cmdline
[ ! -e "$boot/firstrun.sh" ] || hook=firstrun
if [ -e "$boot/user-data" ]; then
    hook=cloud-init
    if grep -q '^runcmd:' "$boot/user-data" && ! grep -q 'netwatch/first-boot.sh' "$boot/user-data"; then
        fail "$boot/user-data has a runcmd of its own: add to it the line  - [sh, /boot/firmware/netwatch/first-boot.sh]"
    fi
fi

# Nothing of a site for which this card was made ready before.
rm -rf "$boot/netwatch"
mkdir "$boot/netwatch"
cp "$package" "$boot/netwatch/netwatch.deb"
cp "$here/first-boot.sh" "$boot/netwatch/first-boot.sh"
printf 'SITE=%s\nCENTRE=%s\n' "$site" "$centre" >"$boot/netwatch/site.env"
[ -z "$key" ] || cp "$key" "$boot/netwatch/centre.pub"
[ -z "$token" ] || cp "$token" "$boot/netwatch/central.token"
[ -z "$authority" ] || cp "$authority" "$boot/netwatch/centre.pem"

run="sh /boot/firmware/netwatch/first-boot.sh"
case $hook in
    cloud-init)
        grep -q 'netwatch/first-boot.sh' "$boot/user-data" ||
            printf '\nruncmd:\n  - [sh, /boot/firmware/netwatch/first-boot.sh]\n' >>"$boot/user-data"
        ;;
    firstrun)
        # Imager's own script: ours goes before it takes itself away and ends.
        if ! grep -q 'netwatch/first-boot.sh' "$boot/firstrun.sh"; then
            awk -v line="$run || true" '!done && /^rm -f \/boot\/(firmware\/)?firstrun\.sh/ { print line; done = 1 }
                { print } END { if (!done) print line }' "$boot/firstrun.sh" >"$boot/firstrun.new"
            mv "$boot/firstrun.new" "$boot/firstrun.sh"
        fi
        ;;
    cmdline)
        if ! grep -q 'netwatch/first-boot.sh' "$boot/cmdline.txt"; then
            line=$(head -n 1 "$boot/cmdline.txt")
            # As Imager does: run once instead of the whole system, then start again.
            printf '%s systemd.run="%s --first-run" systemd.run_success_action=reboot systemd.unit=kernel-command-line.target\n' \
                "$line" "$run" >"$boot/cmdline.txt"
        fi
        ;;
esac
echo "$site: the card is ready ($hook). It installs at its first start, with the network."
