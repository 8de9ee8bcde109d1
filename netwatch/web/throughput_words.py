"""The words of the page's throughput tests, in French and English.

Rule of this file: data, as `words`, which takes them in.
"""

from __future__ import annotations

from collections.abc import Mapping

THROUGHPUT_WORDS: Mapping[str, Mapping[str, str]] = {
    "tests": {"fr": "Tests de débit", "en": "Throughput tests"},
    "tests.none": {
        "fr": "Aucun test n’a encore été fait.",
        "en": "No test has been made yet.",
    },
    "tests.when": {"fr": "Quand", "en": "When"},
    "tests.down": {"fr": "Descendant", "en": "Down"},
    "tests.up": {"fr": "Montant", "en": "Up"},
    "tests.delay": {"fr": "Délai ajouté", "en": "Added delay"},
    "tests.grade": {"fr": "Note", "en": "Grade"},
    "tests.engine": {"fr": "Outil, serveur", "en": "Engine, server"},
    "tests.guarantee": {"fr": "garanti {rate}", "en": "guaranteed {rate}"},
    "tests.met": {"fr": "garantie tenue", "en": "guarantee met"},
    "tests.missed": {"fr": "sous la garantie", "en": "below the guarantee"},
    "tests.uncounted": {"fr": "ne compte pas\u00a0: {why}", "en": "does not count: {why}"},
    "tests.failed": {"fr": "pas de mesure\u00a0: {why}", "en": "no figure: {why}"},
    "tests.chart": {
        "fr": "{direction}, 31 jours, tests valables\u00a0: {valid}, de {low} à {high}",
        "en": "{direction}, 31 days, valid tests: {valid}, from {low} to {high}",
    },
    "tests.chart.share": {
        "fr": "\u00a0; garantie de {rate} tenue par {met} sur {valid}",
        "en": "; guarantee of {rate} met by {met} of {valid}",
    },
    "tests.chart.none": {
        "fr": "{direction}, 31 jours\u00a0: aucun test valable",
        "en": "{direction}, 31 days: no valid test",
    },
    "tests.mark.met": {"fr": "garantie tenue", "en": "guarantee met"},
    "tests.mark.missed": {"fr": "sous la garantie", "en": "below the guarantee"},
    "tests.mark.plain": {"fr": "sans garantie", "en": "no guarantee"},
    "tests.mark.invalid": {"fr": "ne compte pas", "en": "does not count"},
    "tests.running": {"fr": "Un test est en cours.", "en": "A test is under way."},
    "tests.next": {"fr": "Prochain test\u00a0: {when}.", "en": "Next test: {when}."},
    "tests.budget": {
        "fr": "{used} utilisés ce mois-ci sur {limit}.",
        "en": "{used} of {limit} used this month.",
    },
    "tests.budget.running": {
        "fr": "Avec ce qui lui est réservé, {used} utilisés ce mois-ci sur {limit}.",
        "en": "With what is set aside for it, {used} of {limit} used this month.",
    },
    "tests.skipped": {
        "fr": "Dernier test non fait\u00a0: {when} ({why}).",
        "en": "Last test not made: {when} ({why}).",
    },
    "tests.note": {
        "fr": "Débit utile, sans les en-têtes. Le délai ajouté est celui que la charge du test "
        "ajoute aux réponses\u00a0: A+ sous 5 ms, A sous 30, B sous 60, C sous 200, D sous 400, sinon F.",
        "en": "Goodput, without headers. The added delay is what the load of the test adds to "
        "answers: A+ below 5 ms, A below 30, B below 60, C below 200, D below 400, else F.",
    },
    # why a test does not count, or was not made
    "test.device_limited": {
        "fr": "limité par cet appareil, pas par la ligne",
        "en": "limited by this device, not by the line",
    },
    "test.busy_link": {"fr": "ligne utilisée par d’autres", "en": "line in use by others"},
    "test.wrong_circuit": {"fr": "pas la ligne du contrat", "en": "not the contract’s line"},
    "test.clock_unsynced": {"fr": "horloge pas à l’heure", "en": "clock not set"},
    "test.test_server_failed": {
        "fr": "le serveur de test a fait défaut",
        "en": "the test server failed",
    },
    "test.test_failed": {
        "fr": "le test a échoué sur cet appareil",
        "en": "the test failed on this device",
    },
    "test.data_budget": {"fr": "volume du mois épuisé", "en": "month’s data used up"},
    "test.quiet_hours": {"fr": "heures calmes", "en": "quiet hours"},
    "test.overlap": {"fr": "un autre test était en cours", "en": "another test was under way"},
    "test.no_lock": {"fr": "verrou des tests inaccessible", "en": "tests’ lock cannot be had"},
    "test.line_down": {"fr": "ligne coupée", "en": "line down"},
    "test.agent_off": {"fr": "appareil arrêté", "en": "device off"},
    "test.interrupted": {"fr": "interrompu", "en": "cut off"},
    "test.late": {"fr": "trop tard", "en": "too late"},
}
