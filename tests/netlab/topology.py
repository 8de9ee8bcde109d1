"""The lab's network as data: who is linked to whom, with which addresses.

Rule of this file: names, addresses and ``ip`` command lines. It touches nothing.

    school ── switch ── box ══ wire ══ operator ── internet
    (agent)  (bridge)  (router,       (first hop)  (six hosts, DNS,
                       dnsmasq)                     portal check)
"""

from __future__ import annotations

NAMESPACES = ("school", "switch", "box", "operator", "internet")

SCHOOL = "192.168.1.50"
GATEWAY = "192.168.1.1"
GATEWAY_IPV6 = "2001:db8:1::1"
FIRST_HOP = "100.64.0.1"
HOSTS = {
    "albane": "198.51.100.1",
    "basile": "198.51.100.66",
    "celeste": "198.51.100.129",
    "damien": "203.0.113.1",
    "elise": "203.0.113.129",
    "fabrice": "192.0.2.1",
}
HOSTS_IPV6 = {
    "albane6": "2001:db8:100::1",
    "celeste6": "2001:db8:100::3",
    "elise6": "2001:db8:100::5",
}
#: Answers GET /generate_204 with 204 when nothing stands in between.
CHECK_ADDRESS = "203.0.113.80"
_OTHER_INTERNET = ("203.0.113.53", CHECK_ADDRESS, "2001:db8:100::53", "2001:db8:100::80")

_COMMON = {
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/icmp_ratelimit": "0",
    "ipv6/conf/all/accept_dad": "0",
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/all/accept_ra": "0",
    "ipv6/conf/default/accept_ra": "0",
    "ipv6/icmp/ratelimit": "0",
}
_ROUTER = {
    "ipv4/ip_forward": "1",
    "ipv6/conf/all/forwarding": "1",
    "ipv6/conf/default/forwarding": "1",
}


def build_sysctls(namespace: str) -> dict[str, str]:
    """The kernel settings of one namespace, below ``/proc/sys/net``."""
    match namespace:
        case "school":
            return {**_COMMON, "ipv4/ping_group_range": "0 2147483647"}
        case "switch":
            return {"ipv6/conf/all/disable_ipv6": "1", "ipv6/conf/default/disable_ipv6": "1"}
        case _:
            return {**_COMMON, **_ROUTER}


def build_links(names: dict[str, str]) -> dict[str, list[str]]:
    """The ``ip`` lines that make links, by the namespace in which they run.

    ``names`` tells each role's full namespace name. The access line is not among
    them: the relay lays it (box ``wan``, operator ``access``).
    """
    return {
        "switch": [
            "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f"link add school type veth peer name eth0 netns {names['school']}",
            f"link add box type veth peer name lan netns {names['box']}",
            "link set school master br0 up",
            "link set box master br0 up",
            "link set br0 up",
        ],
        "operator": [f"link add core type veth peer name edge netns {names['internet']}"],
    }


def build_addresses() -> dict[str, list[str]]:
    """The ``ip`` lines that give addresses and routes, once all links are there."""
    loopback = "link set lo up"
    hosts = (*HOSTS.values(), *HOSTS_IPV6.values(), *_OTHER_INTERNET)
    return {
        "school": [
            loopback,
            "link set eth0 up",
            f"addr add {SCHOOL}/24 dev eth0",
            "addr add 2001:db8:1::50/64 dev eth0 nodad",
            f"route add default via {GATEWAY}",
            f"route add default via {GATEWAY_IPV6}",
        ],
        "box": [
            loopback,
            "link set lan up",
            f"addr add {GATEWAY}/24 dev lan",
            f"addr add {GATEWAY_IPV6}/64 dev lan nodad",
            "addr add 100.64.0.2/30 dev wan",
            "addr add 2001:db8:a::2/64 dev wan nodad",
            # A fibre has no neighbour discovery: its cut must be silent, its return immediate.
            f"neigh add {FIRST_HOP} lladdr 02:00:00:00:00:02 dev wan nud permanent",
            "neigh add 2001:db8:a::1 lladdr 02:00:00:00:00:02 dev wan nud permanent",
            f"route add default via {FIRST_HOP}",
            "route add default via 2001:db8:a::1",
        ],
        "operator": [
            loopback,
            "link set core up",
            f"addr add {FIRST_HOP}/30 dev access",
            "addr add 2001:db8:a::1/64 dev access nodad",
            "addr add 100.64.1.1/30 dev core",
            "addr add 2001:db8:b::1/64 dev core nodad",
            "neigh add 100.64.0.2 lladdr 02:00:00:00:00:01 dev access nud permanent",
            "neigh add 2001:db8:a::2 lladdr 02:00:00:00:00:01 dev access nud permanent",
            "route add 192.168.1.0/24 via 100.64.0.2",
            "route add 2001:db8:1::/64 via 2001:db8:a::2",
            "route add default via 100.64.1.2",
            "route add default via 2001:db8:b::2",
        ],
        "internet": [
            loopback,
            "link set edge up",
            "addr add 100.64.1.2/30 dev edge",
            "addr add 2001:db8:b::2/64 dev edge nodad",
            "route add default via 100.64.1.1",
            "route add default via 2001:db8:b::1",
            *(f"addr add {host} dev lo{' nodad' if ':' in host else ''}" for host in hosts),
        ],
    }


#: Empty chains, so that a fault is one rule added and its end one chain flushed.
FIREWALLS = {
    "box": (
        "table inet lab { chain passing { type filter hook forward priority 0; };"
        " chain own { type filter hook input priority 0; }; }"
    ),
    "operator": "table inet lab { chain passing { type filter hook forward priority 0; }; }",
    "internet": (
        "table inet lab { set dead4 { type ipv4_addr; }; set dead6 { type ipv6_addr; };"
        " chain own { type filter hook input priority 0;"
        " ip daddr @dead4 drop; ip6 daddr @dead6 drop; }; }"
    ),
}
