"""A bench's results as Markdown. Never imports torch."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.bench.options import PARTS


def markdown(found: Mapping[str, Any], command: str) -> str:
    """Return one page: the machine, then a section a part."""
    machine = found["machine"]
    parts = [
        "# Bench",
        f"{machine['device']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {machine['system']}, Python "
        f"{machine['python']}, torch {machine['torch']}; {machine['when']}; load {machine['load_before']} before it "
        "began. Times are medians of interleaved rounds; `spread` is half the distance of the quartiles as a share of "
        "the median; `cpu` figures go by this process's CPU time, which others on the machine do not touch.",
    ]
    for name, title in PARTS.items():
        if name in found:
            parts += [f"## {title[:1].upper()}{title[1:]}", *_section(found[name])]
    parts.append(f"Made by `{command}`.")
    return "\n\n".join(parts) + "\n"


def _section(part: Mapping[str, Any]) -> list[str]:
    sections = []
    facts = {k: v for k, v in part.items() if _plain(v)}
    if facts:
        sections.append("\n".join(f"- {_words(k)}: {_value(k, v)}" for k, v in facts.items()))
    for key, value in part.items():
        if isinstance(value, Mapping) and value and all(_plain(v) for v in value.values()):
            # The name of the whole says which kind of figure (such as seconds) its parts are.
            lines = "\n".join(f"- {_words(k)}: {_value(f'{key} {k}', v)}" for k, v in value.items())
            sections.append(f"{_words(key).capitalize()}:\n\n{lines}")
        elif isinstance(value, Sequence) and not isinstance(value, str) and value:
            sections.append(table([row for row in value if isinstance(row, Mapping)]))
        elif key == "plans":
            sections.append(
                "\n".join(f"- `{n}`: {p['summary']}: {'; '.join(p['reasons'])}" for n, p in value.items())
            )
    return [section for section in sections if section]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the plain values of the rows, a column each."""
    columns = list(dict.fromkeys(k for row in rows for k, v in row.items() if _plain(v)))
    lines = [f"| {' | '.join(map(_words, columns))} |", f"| {' | '.join('---' for _ in columns)} |"]
    lines += [f"| {' | '.join(_value(c, row.get(c)) for c in columns)} |" for row in rows]
    return "\n".join(lines)


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _words(key: str) -> str:
    return key.replace("_per_s", "/s").replace("_per_cpu_s", "/cpu s").replace("_", " ")


def _value(key: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if "bytes" in key:
        return f"{value / 2**20:,.0f} MiB" if value >= 2**20 else f"{value / 2**10:,.1f} KiB"
    if "share" in key or "spread" in key:
        return f"{100 * value:.1f} %"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
