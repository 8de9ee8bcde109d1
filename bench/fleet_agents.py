"""A process that answers for a thousand agents, each under a path of its own.

Rule of this file: every scrape is rendered when it is asked for, by netwatch's renderer, and
encoded as the agent encodes it. `python -m bench.fleet_agents BEGAN_MS [PRESENT_MS]` prints
its port; with the second they are the sites of `centre_sites` as they are at that instant.
"""

from __future__ import annotations

import asyncio
import sys
import time

from bench.centre_sites import Site, build_kinds, list_kinds
from bench.fleet_life import State, build_agent
from netwatch.outlets.prometheus import MetricsRenderer
from netwatch.web.response import Response, accepts_gzip, encode_response

#: An agent at its defaults whose line is well.
_PLAIN = Site(state=State())


class Agents:
    """All the agents behind one port."""

    def __init__(self, began_ms: int, present_ms: int | None) -> None:
        self._began_ms = began_ms
        kinds = {} if present_ms is None else build_kinds(present_ms)
        self._sites = [kinds[name] for name in list_kinds()] if kinds else []
        self._renderer = MetricsRenderer()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Requests of one connection, one behind the other."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request, *lines = head.decode("latin-1").split("\r\n")
                fields = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines)
                }
                number = int(request.split(" ")[1].split("/")[1].rpartition("-")[2])
                writer.write(
                    encode_response(
                        self._render(number, fields.get("accept", "")),
                        head_only=False,
                        gzip=accepts_gzip(fields.get("accept-encoding", "")),
                        keep_alive=True,
                    )
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # they went away
        finally:
            writer.close()

    def _render(self, number: int, accept: str) -> Response:
        site = self._sites[number] if self._sites else _PLAIN
        if site.silent_min:
            return Response(status=503, body=b"")
        at_ms = time.time_ns() // 1_000_000
        # Sites of one kind are one agent many times: their past in the store is one.
        snapshot = build_agent(0 if self._sites else number, site.state, at_ms, self._began_ms)
        body, content_type = self._renderer(snapshot, accept)
        return Response(status=200, body=body, content_type=content_type)


async def main(began_ms: int, present_ms: int | None) -> None:
    """Serves until it is ended."""
    agents = Agents(began_ms, present_ms)
    server = await asyncio.start_server(agents.answer, "127.0.0.1", 0, backlog=2_000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None))
