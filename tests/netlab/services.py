"""What answers in the lab's namespaces: TCP on 443, a page on 80, names on 53, a captive portal.

Rule of this file: it answers and decides nothing; which of it can be reached is the
network's affair. Started by path, one process a namespace: ``services.py internet`` or
``services.py portal``. It ends when its standard input does.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import socketserver
import sys
import threading
from collections.abc import Mapping

import dns.exception
import dns.message
import dns.rdatatype
import dns.rrset

DNS_ADDRESSES = ("203.0.113.53", "2001:db8:100::53")
CHECK_ADDRESSES = ("203.0.113.80", "2001:db8:100::80")
PORTAL_PORT = 8080
_ANSWERS = {
    dns.rdatatype.NS: "a.root-servers.lab.",
    dns.rdatatype.A: CHECK_ADDRESSES[0],
    dns.rdatatype.AAAA: CHECK_ADDRESSES[1],
}


class Accept(socketserver.BaseRequestHandler):
    """Takes a connection and closes it: what a TCP probe needs."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.request.shutdown(socket.SHUT_WR)


class Quiet(http.server.BaseHTTPRequestHandler):
    """Writes no log."""

    def log_message(self, *_: object) -> None:
        return

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class CheckPage(Quiet):
    """Answers as the well-known portal checks do, whoever's name was asked for."""

    pages: Mapping[str, bytes] = {
        "/success.txt": b"success\n",
        "/check_network_status.txt": b"NetworkManager is online\n",
    }

    def do_GET(self) -> None:
        if self.path == "/generate_204":
            self.answer(204)
        else:
            self.answer(200, self.pages.get(self.path, b"lab\n"))

    do_HEAD = do_GET  # noqa: N815 -- the name is http.server's


class Portal(Quiet):
    """Sends everyone to its own page, and to no other."""

    def do_GET(self) -> None:
        if self.path == "/welcome":
            self.answer(200, b"please accept our terms\n")
        else:
            self.answer(302, Location=f"http://192.168.1.1:{PORTAL_PORT}/welcome")

    do_HEAD = do_POST = do_GET  # noqa: N815 -- the names are http.server's


class Names(socketserver.BaseRequestHandler):
    """Answers any name: NS, A and AAAA with the lab's own, the rest empty."""

    def handle(self) -> None:
        received, replier = self.request
        try:
            query = dns.message.from_wire(received)
        except dns.exception.DNSException:
            return
        response = dns.message.make_response(query)
        response.flags |= 0x0080  # recursion available
        for question in query.question:
            if question.rdtype in _ANSWERS:
                answer = dns.rrset.from_text(
                    question.name, 60, "IN", question.rdtype, _ANSWERS[question.rdtype]
                )
                response.answer.append(answer)
        replier.sendto(response.to_wire(), self.client_address)


class DualStackServer(socketserver.ThreadingTCPServer):
    """Listens on both families on one socket."""

    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


class NameServer(socketserver.ThreadingUDPServer):
    """One address, so that answers come from where they were asked."""

    daemon_threads = True

    def __init__(self, address: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, 53), Names)


def main() -> None:
    """Starts the servers of one namespace, says ``ready``, waits for the end of input."""
    servers: list[socketserver.BaseServer]
    if sys.argv[1] == "internet":
        servers = [
            DualStackServer(("::", 443), Accept),
            DualStackServer(("::", 80), CheckPage),
            *map(NameServer, DNS_ADDRESSES),
        ]
    else:
        servers = [DualStackServer(("::", PORTAL_PORT), Portal)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
