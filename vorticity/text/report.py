"""The report of `reproduce` as a Markdown page: a line for each figure, then its table and its picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vorticity.text import render

Answer = Mapping[str, Any]

BASIS = "How each verdict is reached is said in the module of that name in `dynamics/experiments/`."
VERDICT = {True: "holds", False: "does not hold", None: "undecided"}


def cell(x: Any) -> str:
    """A value of a summary's table, for people.

    >>> [cell(x) for x in (True, 0.123456, None, 3, "er")]
    ['yes', '0.1235', '-', '3', 'er']
    """
    if isinstance(x, bool):
        return "yes" if x else "no"
    if isinstance(x, float):
        return "-" if x != x else render.number(x, 4)
    return "-" if x is None else str(x)


def rows(table: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """The headers of a summary's table, in the order in which its rows bring them up, and its cells as text.

    >>> rows([{"rule": "er", "x": 0.5}, {"rule": "eer", "y": 1}])
    (['rule', 'x', 'y'], [['er', '0.5', '-'], ['eer', '-', '1']])
    """
    headers = list(dict.fromkeys(key for row in table for key in row))
    return headers, [[cell(row.get(key)) for key in headers] for row in table]


def verdict(answer: Answer) -> str:
    """Whether the finding holds; of a run that is not complete, what it says so far.

    >>> [verdict({"so_far": True, "cases": n, "of": 8}) for n in (8, 2)]
    ['holds', 'incomplete, 2 of 8 cases; so far: holds']
    """
    word = VERDICT[answer["so_far"]]
    whole = answer["cases"] == answer["of"]
    return word if whole else f"incomplete, {answer['cases']} of {answer['of']} cases; so far: {word}"


def overview(answers: Sequence[Answer]) -> tuple[list[str], list[list[str]]]:
    """Figure by figure: the finding to be checked, ours with its intervals, and whether it holds."""
    headers = ["figure", "to be checked", "found", "verdict"]
    return headers, [
        [one["figure"], (one["claim"] or one["title"]).removeprefix("Claim: "), one["finding"], verdict(one)]
        for one in answers
    ]


def markdown(answers: Sequence[Answer], command: str) -> str:
    r"""The page: an overview, then for each figure what it rests on, its table and its picture.

    Pictures are linked by their names alone: they lie beside the page.

    >>> one = {"figure": "f", "title": "t", "claim": "a | b", "finding": "c", "so_far": None, "table": [{"x": 1}]}
    >>> one |= {"cases": 1, "of": 1, "rows": 2, "seconds": 3.0, "picture": None}
    >>> print(markdown([one], "vorticity reproduce f"))
    # `vorticity reproduce f`
    <BLANKLINE>
    | figure | to be checked | found | verdict |
    |---|---|---|---|
    | f | a \| b | c | undecided |
    <BLANKLINE>
    Intervals are of 95 %. How each verdict is reached is said in the module of that name in `dynamics/experiments/`.
    <BLANKLINE>
    ## f: t
    <BLANKLINE>
    Cases: 1 of 1; rows: 2; 3 s of one core.
    <BLANKLINE>
    | x |
    |---|
    | 1 |
    <BLANKLINE>
    """
    return "\n".join(_lines(answers, command))


def _lines(answers: Sequence[Answer], command: str) -> Iterator[str]:
    yield from (f"# `{command}`", "", *_table(*overview(answers)), "")
    yield f"Intervals are of 95 %. {BASIS}"
    for answer in answers:
        yield from ("", f"## {answer['figure']}: {answer['title']}", "")
        size = f"Cases: {answer['cases']} of {answer['of']}; rows: {answer['rows']}"
        yield f"{size}; {answer['seconds']:.0f} s of one core."
        yield from ("", *_table(*rows(answer["table"])))
        if answer["picture"]:
            yield from ("", f"![{answer['title']}]({Path(answer['picture']).name})")
    yield ""


def _table(headers: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    yield _line(headers)
    yield "|" + "---|" * len(headers)
    yield from map(_line, cells)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(render.clean(text).replace("|", r"\|") for text in cells) + " |"
