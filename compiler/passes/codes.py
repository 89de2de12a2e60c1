"""The codes of rewrites that cannot be done."""

from __future__ import annotations

from ...dsl.codes import Code, example

_DENSE = "arch Dense {\n  input x: [N, 3, 8, 8]\n  output x -> conv(4, 3) -> %s\n}\narch Maps = convolutionalize(Dense)"

CODES: dict[str, Code] = {
    "E0440": Code(
        "nothing to rewrite",
        "A rewrite changes something of an architecture, and this architecture has nothing of the kind. "
        "`convolutionalize` looks for dense layers that take what `flatten` or a global pool makes of a map."
        + example(_DENSE % "gap", _DENSE % "gap -> linear(10)"),
    ),
    "E0441": Code(
        "rewrite that would not be exact",
        "A rewrite gives an architecture that computes the same, or nothing. Between a map and its dense layers "
        "`convolutionalize` takes what does the same at every place of a map: activations, dropout, batch norm, sums "
        "and joins. It cannot take a layer that sorts the numbers of a vector anew, nor an adaptive pool that changes "
        "anything at the usual size."
        + example(
            _DENSE % "adaptive_avgpool(4) -> flatten -> linear(10)", _DENSE % "avgpool(2) -> flatten -> linear(10)"
        ),
    ),
    "E0442": Code(
        "unknown rewrite",
        "`Architecture.rewrite` and `archc rewrite` take the name of a rewrite, as the language has it: "
        "`convolutionalize`.",
    ),
}
