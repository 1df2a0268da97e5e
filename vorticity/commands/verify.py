"""The commands that settle things: `verify` runs the claims, `check` re-checks certificates in another process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vorticity.text import options, render

if TYPE_CHECKING:
    from proofs.claims import Finding

Json = dict[str, Any]
Found = tuple["Finding", "Path | None"]


@click.command()
@click.argument("claims", metavar="[CLAIM]...", nargs=-1)
@click.option("--certificates", metavar="DIR", help="Write one certificate for each claim into DIR.")
@click.option("--steps", is_flag=True, help="Print every step of every claim too.")
@options.seed_option
@options.json_option
def verify(claims: tuple[str, ...], certificates: str | None, steps: bool, seed: int, as_json: bool) -> None:
    """Every claim, its verdict and its evidence.

    proved, refuted, supported (numerically) or undecided, beside what is expected. Symbolic facts are proved for all
    theta, many for all MDPs of a size; `vorticity check` re-checks the certificates independently. Exit code 1 when a
    verdict is not the expected one.

    \b
    Examples:
      vorticity verify
      vorticity verify T1 C3 --steps
      vorticity verify G1 --certificates certificates --json
    """
    from proofs.claims import chosen, to_json, verify_all

    wanted = chosen(claims)
    folder = None if certificates is None else writable(Path(certificates))
    found: list[Found] = []
    try:
        with render.progress("verifying") as tell:
            for one in verify_all(wanted, seed=seed, directory=folder):
                found.append(one)
                if tell is not None:
                    tell(len(found) / len(wanted))
    finally:  # interrupted: what has been found is not lost
        if as_json:
            render.print_json({"claims": [to_json(*one) for one in found]})
        else:
            show(found, steps)
    unexpected = [finding for finding, _ in found if not finding.as_expected]
    for finding in unexpected:
        render.note(f"{finding.claim.id} is {finding.verdict}, not {finding.claim.expected}: {_failures(finding)}")
    if unexpected:
        raise click.exceptions.Exit(1)


def proved(folder: Path, seed: int) -> list[Found]:
    """The claims that are quickly proved, and C4, the showpiece's cycle, with their certificates."""
    from proofs.claims import CLAIMS, verify_all

    return list(verify_all([c for c in CLAIMS.values() if c.quick or c.id == "C4"], seed=seed, directory=folder))


def show(found: list[Found], steps: bool = False) -> None:
    """Print claims as a table, and if wanted every step."""
    rows = [
        [
            finding.claim.id,
            finding.claim.title,
            finding.verdict + ("" if finding.as_expected else f" (expected {finding.claim.expected})"),
            f"{sum(bool(step.holds) for step in finding.steps)}/{len(finding.steps)}",
            str(len(finding.facts)),
            f"{finding.seconds:.2f} s",
            "-" if path is None else str(path),
        ]
        for finding, path in found
    ]
    render.table(["claim", "what", "verdict", "steps", "facts", "time", "certificate"], rows)
    if steps:
        word = {True: "holds", False: "FAILS", None: "undecided"}
        for finding, _ in found:
            print(f"\n{finding.claim.id}: {render.clean(finding.claim.statement)}")
            for step in finding.steps:
                print(f"  {word[step.holds]} ({step.means}): {render.clean(step.says)}")
    total = sum(finding.seconds for finding, _ in found)
    count = sum(finding.as_expected for finding, _ in found)
    print(f"{count} of {len(found)} claims as expected, {total:.0f} s")


def _failures(finding: Finding) -> str:
    reasons = finding.failed or finding.open
    more = len(reasons) - 3
    return "; ".join(reasons[:3]) + (f" (and {more} more)" if more > 0 else "")


def writable(folder: Path) -> Path:
    """The folder, made if need be; raises OSError now rather than after the work if nothing can be written to it."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".vorticity"
    probe.touch()
    probe.unlink()
    return folder


@click.command()
@click.argument("files", metavar="CERTIFICATE...", nargs=-1, required=True)
@options.json_option
def check(files: tuple[str, ...], as_json: bool) -> None:
    """Re-check certificates, independently.

    The checker shares no code with what wrote them and runs in a process of its own: its arithmetic, its evaluation of
    the update and its copy of the table are its own. Valid, or invalid with the first fact that fails. Exit code 1
    when one is not valid.

    \b
    Examples:
      vorticity check certificates/T1.json
      vorticity check certificates/T1.json certificates/E1.json --json
    """
    answers: list[Json] = []
    try:
        for answer in reports(files):
            answers.append(answer)
            if not as_json:
                print(render.clean(_line(answer)), flush=True)
    finally:  # a file that cannot be read comes after others that could
        if as_json:
            render.print_json({"certificates": answers})
    if not all(one["valid"] for one in answers):
        raise click.exceptions.Exit(1)


def reports(files: Iterable[str]) -> Iterator[Json]:
    """What the independent checker says of each file, from a process of its own.

    Raises ValueError, naming the file, where one cannot be read as JSON.
    """
    from concurrent.futures import ProcessPoolExecutor
    from dataclasses import asdict
    from multiprocessing import get_context

    from proofs.checker import check as recheck

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for name in files:
            try:
                report = pool.submit(recheck, name).result()
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            yield {"file": name, **asdict(report)}


def _line(answer: Json) -> str:
    if not answer["valid"]:
        return f"{answer['file']}: invalid: {answer['reason']}"
    bound = answer["error_bound"]
    chance = f", error below {bound:.0e}" if bound else ""
    facts = _count(answer["n_facts"], "fact")
    return f"{answer['file']}: valid: {answer['claim']}, {facts}, {answer['seconds']:.1f} s{chance}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
