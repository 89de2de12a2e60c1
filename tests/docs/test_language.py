"""Every `.arch` example of the documentation does what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from .support import DOCS, Block, blocks, elaborate, matches, parameter_names, parses, program_of

PAGES = sorted(path.name for path in DOCS.glob("*.md") if path.name not in ("errors.md", "layers.md"))


@pytest.mark.parametrize("page", PAGES)
def test_examples(page: str, tmp_path: Path) -> None:
    problems = [problem for block in blocks(page) if block.language == "arch" for problem in check(block, tmp_path)]
    assert not problems, "\n\n".join(problems)


def check(block: Block, folder: Path) -> list[str]:
    """What is not as the page says."""
    wanted = block.directives
    if "skip" in wanted:
        return []
    if "file" in wanted:
        (folder / wanted["file"]).write_text(block.text, encoding="utf-8")
        if not any(line.startswith("arch ") for line in block.text.splitlines()) and "apply" not in wanted:
            return [f"{block}: {d.code} {d.message}" for d in parses(block.text)]
    if "parse" in wanted:
        return [f"{block}: {d.code} {d.message}" for d in parses(block.text)]
    settings = dict(pair.split("=") for pair in wanted.get("set", "").split() if pair)
    parameters: dict[str, object] = {name: int(value) for name, value in settings.items()}
    outcome = elaborate(program_of(block.text, wanted.get("apply")), folder, parameters)
    if outcome.codes != set(wanted.get("error", "").split()):
        return [f"{block}: wanted {wanted.get('error') or 'no error'}, got\n{outcome or 'none'}\n{block.text}"]
    if block.names is None:
        return []
    if not outcome.graphs:
        return [f"{block}: no architecture\n{block.text}"]
    got = parameter_names(list(outcome.graphs.values())[-1])
    return [] if matches(block.names, got) else [f"{block}: the names are\n{' '.join(got)}\n{block.text}"]
