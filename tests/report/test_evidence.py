"""The bundle: the same bytes each time, every change found, nothing harmful opened."""

from __future__ import annotations

import hashlib
import io
import re
import stat
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from netwatch.errors import EvidenceError
from netwatch.report.evidence import (
    MANIFEST,
    SIGNATURE,
    Bundle,
    Manifest,
    open_bundle,
    write_bundle,
)
from netwatch.report.publish import Published, publish_report
from netwatch.report.recompute import recompute_report as recompute
from netwatch.report.verify import verify_bundle
from tests.report.sample_month import make_inputs, make_round_trips
from tests.report.sample_report import END, START, ms, utc

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


def publish(folder: Path, key: Ed25519PrivateKey | None = KEY) -> Published:
    inputs = make_inputs()
    return publish_report(
        folder,
        inputs,
        make_round_trips(inputs),
        languages=("fr",),
        formats=("html", "csv", "json"),
        key=key,
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    published = publish(tmp_path_factory.mktemp("bundle"))
    assert published.bundle is not None
    return published.bundle


def rebuild(
    bundle: Path, target: Path, change: Callable[[dict[str, bytes]], None], *, rehash: bool = False
) -> Path:
    """The bundle with its contents changed; with ``rehash``, its manifest made to fit again."""
    with zipfile.ZipFile(bundle) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    change(contents)
    folder = target.with_suffix(".d")
    folder.mkdir()
    manifest = msgspec.json.decode(contents[MANIFEST], type=Manifest)
    old = {name: contents.pop(name, None) for name in (MANIFEST, SIGNATURE)}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    files = {name: folder / name for name in contents}
    if rehash:
        write_bundle(target, files, manifest)
        return target
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted({**contents, **old}.items()):
            if content is not None:
                archive.writestr(name, content)
    return target


def test_a_bundle_is_sound_as_written(bundle: Path) -> None:
    """Hashes, signature and figures hold; with its key it is trusted, without it is not."""
    result = verify_bundle(bundle, recompute, key=KEY.public_key())
    assert result.problems == ()
    assert (result.site, result.month, result.trusted) == ("ecole-jaures", "2026-10", True)
    without = verify_bundle(bundle, recompute)
    assert (without.sound, without.trusted) == (True, False)
    assert without.fingerprint == result.fingerprint


def test_it_holds_what_the_interface_names(bundle: Path) -> None:
    """Every file of the interface page, a schema beside each table, nothing else."""
    with open_bundle(bundle) as opened:
        assert opened.names == (
            "annotations.csv", "annotations.schema.json", "bandwidth.csv", "bandwidth.schema.json", "contract.toml",
            "exclusions.csv", "exclusions.schema.json", "incidents.csv", "incidents.schema.json",
            "ledger.csv", "ledger.schema.json", "manifest.json", "manifest.json.sig",
            "report.fr.html", "report.json", "rtt.csv", "rtt.schema.json",
        )  # fmt: skip
    assert bundle.name == "netwatch-ecole-jaures-2026-10.zip"


def test_the_same_month_gives_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    """Written twice, in another folder, at another time: not a byte differs."""
    again = publish(tmp_path / "again").bundle
    assert again is not None
    assert again.read_bytes() == bundle.read_bytes()


def test_the_page_and_the_figures_name_the_hash_of_every_table(bundle: Path) -> None:
    """What the operator reads on paper is what the bundle holds."""
    with open_bundle(bundle) as opened:
        page = opened.read("report.fr.html").decode()
        figures = msgspec.json.decode(opened.read("report.json"))
        for file in figures["evidence"]["files"]:
            assert opened.hash(file["name"])[0] == file["sha256"]
            assert file["sha256"] in page
        rows = {file["name"]: file.get("rows") for file in figures["evidence"]["files"]}
        assert rows["incidents.csv"] == 3
        assert rows["ledger.csv"] > 31 * 1440


def test_a_changed_byte_anywhere_in_the_archive_is_found(bundle: Path, tmp_path: Path) -> None:
    """A flipped bit is a refusal or a problem, wherever it falls, headers included."""
    good = bundle.read_bytes()
    changed = tmp_path / "changed.zip"
    directory = good.rindex(b"PK\x05\x06")
    start = int.from_bytes(good[directory + 16 : directory + 20], "little")
    places = [*range(60), *range(start, len(good), 7), *range(100, start, len(good) // 60)]
    for place in places:
        data = bytearray(good)
        data[place] ^= 0x10
        changed.write_bytes(data)
        try:
            found = not verify_bundle(changed, _reported).sound
        except EvidenceError:
            found = True
        assert found, place


def _reported(opened: Bundle) -> object:
    """A recomputation that believes the report: only hashes can find a change then."""
    return msgspec.json.decode(opened.read("report.json"))


def test_a_changed_row_is_named_by_its_hash(bundle: Path, tmp_path: Path) -> None:
    """An outage edited out of the ledger breaks the hash of ledger.csv and its figures."""

    def edit(contents: dict[str, bytes]) -> None:
        contents["ledger.csv"] = contents["ledger.csv"].replace(b"down,dns", b"up,", 1)

    result = verify_bundle(rebuild(bundle, tmp_path / "b.zip", edit), recompute)
    assert {problem.kind for problem in result.problems} == {"container", "hash", "figure"}
    (hashed,) = [problem for problem in result.problems if problem.kind == "hash"]
    assert hashed.sentence.startswith("ledger.csv was changed: manifest.json has SHA-256 ")
    assert "ledger.down_ms" in {problem.where for problem in result.problems}


def test_a_forger_who_makes_the_hashes_fit_is_found_by_the_figures(
    bundle: Path, tmp_path: Path
) -> None:
    """Each figure that the evidence contradicts is named with both values."""

    def edit(contents: dict[str, bytes]) -> None:
        report = msgspec.json.decode(contents["report.json"])
        report["ledger"]["down_ms"] -= 60_000
        report["incidents"][1]["duration_ms"] = 1
        report["penalties"][0]["amount"]["amount"] = "9.99"
        contents["report.json"] = msgspec.json.encode(report)

    forged = rebuild(bundle, tmp_path / "b.zip", edit, rehash=True)
    problems = verify_bundle(forged, recompute).problems
    assert [(p.where, p.reported, p.recomputed) for p in problems] == [
        ("ledger.down_ms", "11461000", "11521000"),
        ("incidents[1].duration_ms", "1", "366000"),
        ("penalties[0].amount.amount", '"9.99"', '"10.00"'),
    ]
    assert problems[0].sentence == (
        "ledger.down_ms: the report says 11461000, the evidence gives 11521000"
    )
    with_key = verify_bundle(forged, recompute, key=KEY.public_key())
    assert with_key.problems[0].sentence == (
        "the bundle is not signed, and a key was given to check it with"
    )


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("annotations.csv", {"incidents[0].ticket"}),
        ("bandwidth.csv", {"throughput.down.tests"}),
        ("exclusions.csv", {"availability.excluded_ms"}),
        ("ledger.csv", {"ledger.unknown_ms"}),
        ("rtt.csv", {"latency.targets[0].sent"}),
    ],
)
def test_a_removed_row_is_found_even_with_fitting_hashes(
    bundle: Path, tmp_path: Path, name: str, figures: set[str]
) -> None:
    """Whoever takes one row out of any table changes a figure, which is named."""

    def edit(contents: dict[str, bytes]) -> None:
        lines = contents[name].split(b"\n")
        # A note has a line end inside: its entry takes two lines.
        contents[name] = b"\n".join(lines[:1] + lines[3 if name == "annotations.csv" else 2 :])
        if name == "ledger.csv":
            del lines[6000]
            contents[name] = b"\n".join(lines)

    cut = rebuild(bundle, tmp_path / "b.zip", edit, rehash=True)
    result = verify_bundle(cut, recompute)
    named = {problem.where for problem in result.problems}
    if name == "ledger.csv":
        (problem,) = result.problems
        assert "ledger.csv: line 6001: must begin where the line before ended" in problem.sentence
    else:
        assert figures <= named


def test_a_changed_round_trip_is_found_even_with_fitting_hashes(
    bundle: Path, tmp_path: Path
) -> None:
    """A slow round trip made quicker, or taken out, changes the figures of its target."""

    def hasten(contents: dict[str, bytes]) -> None:
        lines = contents["rtt.csv"].split(b"\n")
        start, _, times = lines[1].rpartition(b",")
        first, _, rest = times.partition(b" ")
        lines[1] = start + b"," + b"%d " % (int(first) - 1_000) + rest
        contents["rtt.csv"] = b"\n".join(lines)

    result = verify_bundle(rebuild(bundle, tmp_path / "b.zip", hasten, rehash=True), recompute)
    assert {"latency.targets[0].minimum_us", "latency.targets[0].pdv_us"} <= {
        problem.where for problem in result.problems
    }

    def repeat(contents: dict[str, bytes]) -> None:
        contents["rtt.csv"] = contents["rtt.csv"].replace(b" ", b"*9 ", 1)

    (problem,) = verify_bundle(
        rebuild(bundle, tmp_path / "s.zip", repeat, rehash=True), recompute
    ).problems
    assert "rtt.csv: line 2: answered: must be the " in problem.sentence


def test_a_bundle_of_an_earlier_version_is_still_checked(tmp_path: Path) -> None:
    """One of version 1, with a row a probe, is sound; one probe less is found."""
    earlier = Path(__file__).parent / "golden" / "bundle-version-1.zip"
    result = verify_bundle(earlier, recompute)
    assert (result.problems, result.month) == ((), "2026-10")

    def cut(contents: dict[str, bytes]) -> None:
        lines = contents["rtt.csv"].split(b"\n")
        contents["rtt.csv"] = b"\n".join([*lines[:-2], lines[-1]])

    changed = verify_bundle(rebuild(earlier, tmp_path / "b.zip", cut, rehash=True), recompute)
    assert "latency.targets[0].sent" in {problem.where for problem in changed.problems}


def test_a_changed_consequence_is_found_too(bundle: Path, tmp_path: Path) -> None:
    """The table incidents.csv follows from the others: edited, its hash is not the one that follows."""

    def edit(contents: dict[str, bytes]) -> None:
        contents["incidents.csv"] = contents["incidents.csv"].replace(b"366000", b"366001")
        report = msgspec.json.decode(contents["report.json"])
        for file in report["evidence"]["files"]:
            if file["name"] == "incidents.csv":
                file["sha256"] = hashlib.sha256(contents["incidents.csv"]).hexdigest()
        contents["report.json"] = msgspec.json.encode(report)

    result = verify_bundle(rebuild(bundle, tmp_path / "b.zip", edit, rehash=True), recompute)
    assert [problem.where for problem in result.problems] == ["evidence.files[7].sha256"]


def test_changed_terms_are_found_in_what_follows_from_them(bundle: Path, tmp_path: Path) -> None:
    """A milder contract slipped in beside an unchanged report contradicts it."""

    def edit(contents: dict[str, bytes]) -> None:
        milder = contents["contract.toml"].replace(b'"1997/2000"', b'"9/10"')
        assert milder != contents["contract.toml"]
        contents["contract.toml"] = milder

    result = verify_bundle(rebuild(bundle, tmp_path / "b.zip", edit, rehash=True), recompute)
    assert {"availability.target", "availability.met"} <= {p.where for p in result.problems}

    def spoil(contents: dict[str, bytes]) -> None:
        contents["contract.toml"] += b"\n[unknown]\n"

    (problem,) = verify_bundle(
        rebuild(bundle, tmp_path / "s.zip", spoil, rehash=True), recompute
    ).problems
    assert problem.sentence.startswith(
        "the report cannot be recomputed from its tables: contract.toml: "
        "Object contains unknown field `unknown`"
    )


@pytest.mark.parametrize("now_ms", [utc(18, 10), ms(START) - 1, ms(END)])
def test_months_that_are_not_over_can_be_checked_as_well(tmp_path: Path, now_ms: int) -> None:
    """A partial report, one of a month to come, one at its very end."""
    inputs = make_inputs(now_ms=now_ms)
    published = publish_report(
        tmp_path / "month", inputs, make_round_trips(inputs),
        languages=("en",), formats=("html", "csv", "json"),
    )  # fmt: skip
    assert published.bundle is not None
    assert verify_bundle(published.bundle, recompute).problems == ()
    assert published.report.period.complete == (now_ms >= ms(END))


def test_a_signature_by_another_or_of_another_is_found(bundle: Path, tmp_path: Path) -> None:
    """The wrong signer is named by fingerprint; a signature moved from elsewhere does not hold."""
    (wrong,) = verify_bundle(bundle, recompute, key=OTHER.public_key()).problems
    assert re.fullmatch(
        r"signed by SHA256:\S+, not by the key given \(SHA256:\S+\)", wrong.sentence
    )
    elsewhere = publish(tmp_path / "other", key=OTHER).bundle
    assert elsewhere is not None
    with zipfile.ZipFile(elsewhere) as archive:
        foreign = archive.read(SIGNATURE)

    def move(contents: dict[str, bytes]) -> None:
        contents[SIGNATURE] = foreign

    moved = verify_bundle(rebuild(bundle, tmp_path / "m.zip", move), recompute)
    assert "signature" in {problem.kind for problem in moved.problems}


def test_openssh_checks_the_signature_of_a_bundle_by_itself(bundle: Path, tmp_path: Path) -> None:
    """Nobody needs netwatch to check who signed."""
    with zipfile.ZipFile(bundle) as archive:
        archive.extract(SIGNATURE, tmp_path)
        manifest = archive.read(MANIFEST)
    done = subprocess.run(
        ["ssh-keygen", "-Y", "check-novalidate", "-n", "netwatch-evidence",
         "-s", str(tmp_path / SIGNATURE)],
        input=manifest, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_manifest_that_leaves_a_file_out_or_names_one_too_many_is_found(
    bundle: Path, tmp_path: Path
) -> None:
    """Files come and go only with the manifest."""

    def swap(contents: dict[str, bytes]) -> None:
        contents["extra.csv"] = b"a\n"
        del contents["rtt.schema.json"]

    result = verify_bundle(rebuild(bundle, tmp_path / "b.zip", swap), recompute)
    assert {"extra.csv is not in manifest.json", "rtt.schema.json is missing from the bundle"} <= {
        problem.sentence for problem in result.problems
    }


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.97, 0.999])
def test_a_truncated_bundle_is_refused(bundle: Path, tmp_path: Path, share: float) -> None:
    """Cut short on its way: one sentence, nothing believed."""
    cut = tmp_path / "cut.zip"
    data = bundle.read_bytes()
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(EvidenceError, match=r"cut\.zip: not a whole zip file, perhaps cut short"):
        verify_bundle(cut, recompute)


def hostile(path: Path, entries: list[tuple[zipfile.ZipInfo | str, bytes]]) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile warns of the duplicate we want
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("contract.toml", "ledger.csv", "manifest.json", "report.json"):
                archive.writestr(name, b"{}")
            for info, content in entries:
                archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([("../../etc/cron.d/x", b"")], "'../../etc/cron.d/x' is not a plain file name; a bundle"),
        ([("/etc/passwd", b"")], "'/etc/passwd' is not a plain file name"),
        ([("a\\b.csv", b"")], r"'a\\\\b.csv' is not a plain file name"),
        ([("folder/", b"")], "'folder/' is not a plain file name"),
        ([("ledger.csv", b"x")], "holds ledger.csv twice; which is meant cannot be told"),
        ([(link("rtt.csv"), b"/etc/passwd")], "rtt.csv is a link or a special file"),
        ([(f"f{n}.csv", b"") for n in range(61)], "holds 65 files, a bundle has at most 64"),
        ([("rtt.csv", bytes(40_000_000))], "rtt.csv would grow from "),
    ],
)  # fmt: skip
def test_a_hostile_bundle_is_refused_before_anything_is_unpacked(
    tmp_path: Path, entries: list[tuple[zipfile.ZipInfo | str, bytes]], sentence: str
) -> None:
    """Climbing paths, links, duplicates, floods and bombs: a sentence each."""
    path = hostile(tmp_path / "hostile.zip", entries)
    with pytest.raises(EvidenceError) as caught:
        verify_bundle(path, recompute)
    assert sentence.replace(r"\\\\", "\\\\") in str(caught.value)


def test_a_bomb_that_lies_about_its_size_gives_no_more_than_it_declares(tmp_path: Path) -> None:
    """The declared size bounds what is read; the lie is told as damage."""
    path = hostile(tmp_path / "liar.zip", [("rtt.csv", bytes(5_000_000))])
    data = path.read_bytes().replace((5_000_000).to_bytes(4, "little"), (900).to_bytes(4, "little"))
    path.write_bytes(data)
    with open_bundle(path) as opened, pytest.raises(EvidenceError, match=r"rtt\.csv is damaged"):
        opened.hash("rtt.csv")


def test_declared_sizes_are_bounded_in_sum(tmp_path: Path) -> None:
    """A file that declares more than a bundle may hold is refused unread."""
    path = hostile(tmp_path / "huge.zip", [("rtt.csv", bytes(5_000_000))])
    data = path.read_bytes().replace(
        (5_000_000).to_bytes(4, "little"), (600 * 1024**2).to_bytes(4, "little")
    )
    path.write_bytes(data)
    with pytest.raises(EvidenceError, match=r"would unpack to more than 1024 MiB \(or 512 MiB in"):
        verify_bundle(path, recompute)


def test_what_is_missing_or_no_zip_is_told(tmp_path: Path) -> None:
    """Absent, not a zip, or without what there is to recompute."""
    with pytest.raises(EvidenceError, match=r"absent\.zip: cannot be read \(No such file"):
        verify_bundle(tmp_path / "absent.zip", recompute)
    page = tmp_path / "page.zip"
    page.write_bytes(b"<html>not found</html>")
    with pytest.raises(EvidenceError, match=r"page\.zip: not a whole zip file"):
        verify_bundle(page, recompute)
    bare = io.BytesIO()
    with zipfile.ZipFile(bare, "w") as archive:
        archive.writestr("report.json", "{}")
    page.write_bytes(bare.getvalue())
    with pytest.raises(EvidenceError, match=r"page\.zip: contract\.toml is missing from the bund"):
        verify_bundle(page, recompute)


def test_a_bundle_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """A source that cannot be read leaves neither a bundle nor a part of one."""
    manifest = Manifest(
        bundle_version=1, site="s", month="2026-10", created_at="", netwatch_version="",
        rule_version="1", files=(),
    )  # fmt: skip
    with pytest.raises(FileNotFoundError):
        write_bundle(tmp_path / "b.zip", {"ledger.csv": tmp_path / "absent"}, manifest)
    with pytest.raises(EvidenceError, match=r"'\.\./x': not a name for a file of a bundle"):
        write_bundle(tmp_path / "b.zip", {"../x": tmp_path / "absent"}, manifest)
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_has_the_hash_of_every_other_file(bundle: Path) -> None:
    """Recomputed here with hashlib alone."""
    with zipfile.ZipFile(bundle) as archive:
        manifest = msgspec.json.decode(archive.read(MANIFEST))
        listed = {file["name"]: file["sha256"] for file in manifest["files"]}
        assert listed == {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if name not in (MANIFEST, SIGNATURE)
        }


def test_a_percentile_follows_from_the_table_alone_as_the_documentation_does_it(
    bundle: Path, tmp_path: Path
) -> None:
    """The program in docs/evidence.md, on a bundle's rtt.csv, gives the figure of report.json."""
    text = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")
    program = text.partition("```python\n")[2].partition("```")[0].replace("quad9", "cloudflare")
    with zipfile.ZipFile(bundle) as archive:
        archive.extract("rtt.csv", tmp_path)
        report = msgspec.json.decode(archive.read("report.json"))
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path
    )
    assert ended.stdout == f"{report['latency']['targets'][0]['p95_us']}\n"
