"""Grafana dashboards as a program; `python -m dashboards` writes the JSON beside it.

Rule of this package: it knows the names of series (docs/metrics.md, docs/fleet.md) and points
(docs/push.md), and no server. The agent does not import it.
"""
