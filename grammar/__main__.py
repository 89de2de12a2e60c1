"""`python -m archc.grammar`: write `tables.json` from `arch.lark`."""

from __future__ import annotations

from .tables import STORED, build


def main() -> None:
    tables = build()
    STORED.write_text(tables.to_json(), encoding="utf-8")
    print(f"{STORED}: {len(tables.states)} states, {len(tables.rules)} rules")


if __name__ == "__main__":
    main()
