"""What stands in the way of the push, in words: what is wrong, and what would do.

Rule of this file: one table, read by the log, `netwatch check`, the page and the tests, so
that all of them say the same. Pure; it knows no server. Names in braces come from
``PushProblem.fills``.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from netwatch.records import PushProblem, PushReason

Words = Mapping[str, tuple[str, str]]

_STAY = "the points stay and are sent later"
_RESTENT = "les points restent et partiront plus tard"

#: By reason and language: what is wrong, what would do.
PUSH_WORDS: Mapping[PushReason, Words] = {
    PushReason.WRONG_TOKEN: {
        "en": (
            "the token is refused ({status})",
            "put one that may write to bucket {bucket} in the file that influx.token_file names",
        ),
        "fr": (
            "le jeton est refusé ({status})",
            "mettre un jeton qui peut écrire dans {bucket} dans le fichier que nomme "
            "influx.token_file",
        ),
    },
    PushReason.FORBIDDEN: {
        "en": (
            "the token may not write there ({status})",
            "give it the right to write to bucket {bucket}, or put another in the file that "
            "influx.token_file names",
        ),
        "fr": (
            "le jeton n’a pas le droit d’écrire ({status})",
            "lui donner le droit d’écrire dans {bucket}, ou en mettre un autre dans le fichier "
            "que nomme influx.token_file",
        ),
    },
    PushReason.NO_BUCKET: {
        "en": (
            "there is no bucket {bucket} of organisation {org} there ({status})",
            "create it, or check influx.url, influx.org and influx.bucket",
        ),
        "fr": (
            "il n’y a pas de compartiment {bucket} de l’organisation {org} ({status})",
            "le créer, ou vérifier influx.url, influx.org et influx.bucket",
        ),
    },
    PushReason.URL: {
        "en": (
            "that is no address of a server ({problem})",
            "write it as https://HOST:8086 in influx.url",
        ),
        "fr": (
            "ce n’est pas l’adresse d’un serveur ({problem})",
            "l’écrire comme https://HÔTE:8086 dans influx.url",
        ),
    },
    PushReason.URL_PATH: {
        "en": (
            "nothing takes points under the path {path} ({status})",
            "write the server's address without it in influx.url, or the path under which a "
            "proxy passes /api/v2/write on",
        ),
        "fr": (
            "rien ne prend de points sous le chemin {path} ({status})",
            "écrire l’adresse du serveur sans lui dans influx.url, ou le chemin sous lequel un "
            "mandataire transmet /api/v2/write",
        ),
    },
    PushReason.HTML_ANSWER: {
        "en": (
            "a web page answers, and no InfluxDB ({status} with {kind} where 204 is due)",
            "look for a proxy or a login page in between, or correct influx.url",
        ),
        "fr": (
            "une page web répond, et non InfluxDB ({status} avec {kind} au lieu de 204)",
            "chercher un mandataire ou un portail entre les deux, ou corriger influx.url",
        ),
    },
    PushReason.NO_INFLUXDB: {
        "en": (
            "whoever answers is no InfluxDB ({status} with {kind} where 204 is due)",
            "look for a proxy in between, or correct influx.url",
        ),
        "fr": (
            "ce qui répond n’est pas InfluxDB ({status} avec {kind} au lieu de 204)",
            "chercher un mandataire entre les deux, ou corriger influx.url",
        ),
    },
    PushReason.REDIRECT: {
        "en": ("it redirects to {location} ({status})", "write the final address in influx.url"),
        "fr": (
            "il renvoie vers {location} ({status})",
            "écrire l’adresse finale dans influx.url",
        ),
    },
    PushReason.PROXY_LOGIN: {
        "en": ("a proxy in between wants a login ({status})", "let this machine through it"),
        "fr": (
            "un mandataire demande une identification ({status})",
            "le faire laisser passer cet appareil",
        ),
    },
    PushReason.POINTS_REFUSED: {
        "en": (
            "it refuses every point ({status})",
            "check influx.url, influx.org and influx.bucket",
        ),
        "fr": (
            "il refuse tous les points ({status})",
            "vérifier influx.url, influx.org et influx.bucket",
        ),
    },
    PushReason.POINTS_REJECTED: {
        "en": (
            "{rejected} of {sent} points were refused for good",
            "read what it says of the first, and tell whoever keeps that bucket",
        ),
        "fr": (
            "{rejected} points sur {sent} ont été refusés définitivement",
            "lire ce qu’il dit du premier, et le dire à qui tient ce compartiment",
        ),
    },
    PushReason.TOO_LARGE: {
        "en": (
            "even one point is too large for it ({status})",
            "raise its limit for a request",
        ),
        "fr": (
            "même un seul point est trop grand pour lui ({status})",
            "relever sa limite par requête",
        ),
    },
    PushReason.BUSY: {
        "en": ("it asks to wait ({status})", _STAY),
        "fr": ("il demande d’attendre ({status})", _RESTENT),
    },
    PushReason.SERVER_ERROR: {
        "en": ("it failed ({status})", _STAY),
        "fr": ("il a échoué ({status})", _RESTENT),
    },
    PushReason.CERTIFICATE_EXPIRED: {
        "en": ("its certificate has expired", "renew it on the server"),
        "fr": ("son certificat a expiré", "le renouveler sur le serveur"),
    },
    PushReason.CERTIFICATE_NOT_YET: {
        "en": (
            "its certificate is not valid yet",
            "check this machine's clock, then the certificate",
        ),
        "fr": (
            "son certificat n’est pas encore valable",
            "vérifier l’horloge de cet appareil, puis le certificat",
        ),
    },
    PushReason.CERTIFICATE_SELF_SIGNED: {
        "en": (
            "its certificate is signed by itself",
            "name that certificate in influx.certificate_authority if it is yours, or put one "
            "of a known authority on the server",
        ),
        "fr": (
            "son certificat est signé par lui-même",
            "le nommer dans influx.certificate_authority s’il est le vôtre, ou en mettre un "
            "d’une autorité reconnue sur le serveur",
        ),
    },
    PushReason.CERTIFICATE_UNTRUSTED: {
        "en": (
            "its certificate is of an authority that this machine does not trust",
            "name that authority's certificate in influx.certificate_authority if it is yours",
        ),
        "fr": (
            "son certificat est d’une autorité que cet appareil ne reconnaît pas",
            "nommer le certificat de cette autorité dans influx.certificate_authority si elle "
            "est la vôtre",
        ),
    },
    PushReason.CERTIFICATE_NAME: {
        "en": (
            "its certificate is made out to another name",
            "write the name that the certificate has in influx.url",
        ),
        "fr": (
            "son certificat est établi à un autre nom",
            "écrire le nom que porte le certificat dans influx.url",
        ),
    },
    PushReason.CERTIFICATE: {
        "en": ("its certificate is refused ({problem})", "renew it on the server"),
        "fr": ("son certificat est refusé ({problem})", "le renouveler sur le serveur"),
    },
    PushReason.TLS: {
        "en": (
            "it does not speak TLS as we do",
            "is it http:// rather than https:// in influx.url?",
        ),
        "fr": (
            "il ne parle pas TLS comme nous",
            "est-ce http:// et non https:// dans influx.url ?",
        ),
    },
    PushReason.UNKNOWN_NAME: {
        "en": (
            "its name is not known",
            "check the name in influx.url, or this machine's resolver",
        ),
        "fr": (
            "son nom est inconnu",
            "vérifier le nom dans influx.url, ou le résolveur de cet appareil",
        ),
    },
    PushReason.CONNECTION_REFUSED: {
        "en": ("nothing listens there", "start the server, or correct influx.url"),
        "fr": ("rien n’écoute à cette adresse", "démarrer le serveur, ou corriger influx.url"),
    },
    PushReason.UNREACHABLE: {
        "en": ("it cannot be reached ({problem})", _STAY),
        "fr": ("il est injoignable ({problem})", _RESTENT),
    },
    PushReason.TIMEOUT: {
        "en": ("it did not answer in time", _STAY),
        "fr": ("il n’a pas répondu à temps", _RESTENT),
    },
    PushReason.CUT: {
        "en": ("the connection was cut before its answer", _STAY),
        "fr": ("la connexion a été coupée avant sa réponse", _RESTENT),
    },
    PushReason.NO_CLIENT: {
        "en": ("influxdb-client is not installed", "pip install 'netwatch[influx]'"),
        "fr": ("influxdb-client n’est pas installé", "pip install 'netwatch[influx]'"),
    },
    PushReason.TOKEN_UNREADABLE: {
        "en": (
            "the token cannot be read ({problem})",
            "put it there, readable by the agent's user, or correct influx.token_file",
        ),
        "fr": (
            "le jeton ne peut pas être lu ({problem})",
            "l’y mettre, lisible par l’utilisateur de l’agent, ou corriger influx.token_file",
        ),
    },
    PushReason.TOKEN_EMPTY: {
        "en": ("the token file is empty", "write the token into it"),
        "fr": ("le fichier du jeton est vide", "y écrire le jeton"),
    },
    PushReason.TOKEN_MALFORMED: {
        "en": (
            "the token file holds more than one token",
            "write one token into it, on one line, and nothing else",
        ),
        "fr": (
            "le fichier du jeton contient autre chose qu’un jeton",
            "y écrire un seul jeton, sur une ligne, et rien d’autre",
        ),
    },
    PushReason.AUTHORITY_FILE: {
        "en": (
            "the certificate authority cannot be read ({problem})",
            "name a PEM file that the agent's user can read in influx.certificate_authority",
        ),
        "fr": (
            "l’autorité de certification ne peut pas être lue ({problem})",
            "nommer un fichier PEM que l’utilisateur de l’agent peut lire dans "
            "influx.certificate_authority",
        ),
    },
    PushReason.BOOKS: {
        "en": ("the books cannot be read", "read this device's log; check the card"),
        "fr": (
            "le registre ne peut pas être lu",
            "lire le journal de cet appareil ; vérifier la carte",
        ),
    },
    PushReason.FAULT: {
        "en": (
            "the agent itself failed at it ({problem})",
            "read this device's log, and tell whoever maintains netwatch; the points stay",
        ),
        "fr": (
            "l’agent lui-même a échoué ({problem})",
            "lire le journal de cet appareil, et le dire à qui maintient netwatch ; les points "
            "restent",
        ),
    },
}
_SAYS = {"en": "; it says: ", "fr": "\u00a0; il dit\u00a0: "}
_COLON = {"en": ": ", "fr": "\u00a0: "}


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """A problem in one language."""

    sentence: str  # where, what is wrong, and what the server says of it
    remedy: str


def explain_problem(problem: PushProblem, lang: str = "en") -> Explained:
    """What is wrong, and what would do.

    >>> problem = PushProblem(reason=PushReason.BUSY, where="http://a", fills={"status": "503"})
    >>> explain_problem(problem).sentence, explain_problem(problem, "fr").remedy
    ('http://a: it asks to wait (503)', 'les points restent et partiront plus tard')
    """
    what, remedy = _fill(problem, lang)
    said = "" if problem.said is None else f"{_SAYS[lang]}{problem.said}"
    return Explained(sentence=f"{problem.where}{_COLON[lang]}{what}{said}", remedy=remedy)


def format_problem(problem: PushProblem) -> str:
    """One line for a log.

    >>> format_problem(PushProblem(reason=PushReason.TOKEN_EMPTY, where="/etc/token", said="x"))
    '/etc/token: the token file is empty: write the token into it; it says: x'
    """
    what, remedy = _fill(problem, "en")
    said = "" if problem.said is None else f"{_SAYS['en']}{problem.said}"
    return f"{problem.where}: {what}: {remedy}{said}"


def _fill(problem: PushProblem, lang: str) -> tuple[str, str]:
    what, remedy = PUSH_WORDS[problem.reason][lang]
    return what.format_map(problem.fills), remedy.format_map(problem.fills)
