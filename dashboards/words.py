"""Words and colours of verdicts, for all dashboards.

Rule of this file: a state is never a colour alone, it has its word. The colours are those
of Okabe and Ito, which people who see no red or no green tell apart.
"""

from __future__ import annotations

from dashboards.form import Text

GREEN, ORANGE, VERMILLION, GREY, PURPLE = "#009E73", "#E69F00", "#D55E00", "#999999", "#CC79A7"
BLUE, SKY = "#0072B2", "#56B4E9"

#: Code -> word and colour. A larger code is worse: tables and maps sort by it.
STATES: dict[int, tuple[Text, str]] = {
    1: (Text("up", "en service"), GREEN),
    2: (Text("degraded", "dégradée"), ORANGE),
    3: (Text("unknown", "inconnue"), GREY),
    4: (Text("agent silent", "agent muet"), PURPLE),
    5: (Text("DOWN", "COUPÉE"), VERMILLION),
}
CODES = {"up": 1, "degraded": 2, "unknown": 3, "silent": 4, "down": 5}

#: Prometheus' label values as colours of stacked bars.
VERDICT_COLOURS = {"up": GREEN, "degraded": ORANGE, "unknown": GREY, "down": VERMILLION}
