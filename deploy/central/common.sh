# shellcheck shell=sh disable=SC2154  # the settings are those of who sources it
# What install.sh and compose.sh share. Sourced; needs $here, the folder of deploy/central.

fail() {
    echo "$1" >&2
    exit 2
}

# Only what can stand between the double quotes of a setting as it is.
check_plain() {
    case $2 in
        *[\"\\\|\&\`\$\'\{\}]*) fail "$1: must not have quotes, braces, or any of \\ | & \$, got $2" ;;
    esac
}

check_mail() {
    check_plain "$1" "$2"
    case $2 in
        ?*@?*) ;;
        *) fail "$1: must be a mail address, got '$2'" ;;
    esac
}

# From the file in the repository to the town's: addresses, language, zone, whether in the open.
render_alertmanager() {
    case $smtp in
        localhost:* | 127.0.0.1:* | "[::1]":*) tls=false ;;
        *) tls=true ;;
    esac
    sed -e "/# SMTP\$/s|\"[^\"]*\"|\"$smtp\"|" \
        -e "/# FROM\$/s|\"[^\"]*\"|\"$mail_from\"|" \
        -e "/# TO\$/s|\"[^\"]*\"|\"$mail_to\"|" \
        -e "/# ZONE\$/s|\"[^\"]*\"|\"$zone\"|" \
        -e "/# TLS\$/s|: [a-z]*|: $tls|" \
        -e "/# LANGUAGE\$/s|netwatch\.fr\.|netwatch.$language.|" \
        -e "${smtp_user:+s|# smtp_auth_username: .*|smtp_auth_username: \"$smtp_user\"|}" \
        -e "${smtp_user:+s|# smtp_auth_password_file: .*|smtp_auth_password_file: \"$smtp_password\"|}" \
        -e "s| # [A-Z]*\$||" \
        "$here/alertmanager/alertmanager.yml"
}

render_address() {
    sed "s|}}http://localhost:3000{{|}}${grafana%/}{{|" "$here/alertmanager/templates/address.tmpl"
}
