"""Parts of a network that are left out at random in training, and the draw of a whole number that several may share.

In evaluation all of them are fixed: identity, mean, sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator

from ..ir.initialisers import ZEROS
from ..ir.lowering import In, Lowering, ModuleCall
from ..ir.memory import NOTHING, Held, elements
from ..ir.op import Facts, LayerError, Op, Trait, Weight
from ..ir.types import Axis, TensorType
from ..ir.words import BadValue, met
from .broadcast import merged
from .maps import KeepsShape, need_float
from .values import Count, Mark, Probability, Whole, Words, one_of

Per = Annotated[str, one_of("batch", "image"), Words('"batch" or "image"')]


class Columns(int):
    """How many columns a `draw` chooses from: what a `survivor` parameter knows of the number that it is given."""


def survivor(value: Any) -> Columns | None:
    if value is not None and not isinstance(value, Columns):
        hint = "`draw column = choice(n)` draws one, and `survivor = column` takes it"
        raise BadValue(f"must be a number made by `draw`, not {met(value)}", hint)
    return value


Survivor = Annotated[Columns | None, PlainValidator(survivor), Words("number made by `draw`")]


class Survive(KeepsShape):
    """Stochastic depth: in training its input survives with probability p and is divided by p, else it is zero
    (Huang et al. 2016, arXiv 1603.09382).

    Stands at the end of a residual branch, which is then left out with probability 1 - p. One decision holds for the
    whole mini-batch, as in the paper, or for an image (`per = "image"`, also called drop-path). In evaluation it does
    nothing.
    """

    kind: ClassVar[str] = "survive"
    drops_paths: ClassVar[bool] = True
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.AFFINE | Trait.KEEPS_NONNEGATIVE | Trait.RANDOM
    training_settings: ClassVar[tuple[str, ...]] = ("p", "per")
    positional: ClassVar[tuple[str, ...]] = ("p",)

    p: Probability = Field(description="probability that the input survives")
    per: Per = Field("batch", description="what one decision holds for: the mini-batch or an image")

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        return Held(view="same") if self.p == 1 else Held(scratch=elements(inputs[0]), idle=True)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall("runtime.Survive", (self.p,), {"per": self.per})


class _PathDropping(Op):
    """Base of merges of which training leaves inputs out."""

    family: ClassVar[str] = "merge"
    is_merge: ClassVar[bool] = True
    is_additive: ClassVar[bool] = True
    drops_paths: ClassVar[bool] = True
    traits: ClassVar[Trait] = Trait.ELEMENTWISE | Trait.AFFINE | Trait.KEEPS_NONNEGATIVE | Trait.RANDOM
    arity: ClassVar[int | None] = None


class DropMean(_PathDropping):
    """The join of fractal networks: the mean of tensors of equal shape, of which some are dropped in training (Larsson
    et al. 2016, arXiv 1605.07648). Output: the common shape.

    In training each input is dropped with probability p; if all are, one of them survives, each as likely. The result
    is the mean of the survivors, and dropped inputs get no gradient. One decision holds for the whole mini-batch, as
    the paper switches between its kinds of drop-path with each mini-batch, or for an image (`per = "image"`). In
    evaluation it is `mean`.

    `survivor` takes a number made by `draw column = choice(n)`. Where it is c, from 0 for the shallowest of n columns,
    only column c passes: a join of k inputs joins the k deepest columns, so that its input j is column n - k + j. A
    join that column c does not reach passes its plain mean, which later joins leave out. Where it is -1 inputs are
    dropped as above.
    """

    kind: ClassVar[str] = "drop_mean"
    title: ClassVar[str] = "drop-mean"
    training_settings: ClassVar[tuple[str, ...]] = ("p", "per")
    positional: ClassVar[tuple[str, ...]] = ("p",)
    drawn_parameters: ClassVar[tuple[str, ...]] = ("survivor",)

    p: Probability = Field(description="probability that an input is dropped")
    survivor: Survivor = Field(None, description="the column that alone passes")
    per: Per = Field("batch", description="what one decision holds for: the mini-batch or an image")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        branches = inputs if self.survivor is None else inputs[:-1]
        for x in branches:
            need_float(self.kind, x)
        if self.survivor is not None and len(branches) > self.survivor:
            message = f"drop_mean joins {len(branches)} columns, and its survivor is drawn from {self.survivor}"
            hint = "draw from as many as the deepest join has inputs: `draw column = choice(n)`"
            raise LayerError("E0413", message, hint)
        return (merged(branches, facts, "average", broadcast=False),)

    def factors(self, count: int) -> tuple[Fraction, ...] | None:
        return (Fraction(1, count),) * count

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        branches = self.arriving(inputs)
        return Held(view="same") if len(branches) == 1 else Held(scratch=elements(outputs[0]))

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall("runtime.DropMean", (self.p,), {"columns": int(self.survivor or 0), "per": self.per})


class FreezeDropPath(_PathDropping):
    """The sum of tensors of equal shape, trained one at a time (Smith & Topin 2016, arXiv 1611.00847). Output: the
    common shape.

    In training one input is chosen at each forward. The result is the sum of the inputs up to it, and only the chosen
    one gets a gradient: those before are frozen, those after are dropped. So each learns what the sum of those before
    it lacks. In evaluation it is `sum`. The chance of input j, counted from 1, is proportional to j ** 2 ("rising"),
    the same for all ("uniform"), or proportional to (m + 1 - j) ** 2 of m inputs ("falling").

    With a `cycle` the choice is not random: each `cycle` forwards in training go through the inputs in order, each as
    often as its chance says. The number of such forwards is a buffer, `iteration`.
    """

    kind: ClassVar[str] = "freeze_drop_path"
    title: ClassVar[str] = "freeze-drop-path"
    training_settings: ClassVar[tuple[str, ...]] = ("distribution", "cycle")
    positional: ClassVar[tuple[str, ...]] = ("distribution",)
    has_weights: ClassVar[bool] = True

    distribution: Annotated[str, one_of("rising", "uniform", "falling"), Words('"rising", "uniform" or "falling"')] = (
        Field("rising", description="how the chances of the inputs go, from the first to the last")
    )
    cycle: Whole = Field(0, description="forwards in which the inputs take turns; 0 chooses at random")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        for x in inputs:
            need_float(self.kind, x)
        for place, turns in enumerate(self._turns(len(inputs)), 1):
            if self.cycle and not turns:
                message = f"freeze_drop_path: in a cycle of {self.cycle} forwards input {place} never has its turn"
                raise LayerError("E0414", message, "take a longer cycle, or a distribution that is more even")
        return (merged(inputs, facts, "add", broadcast=False),)

    def _turns(self, count: int) -> list[int]:
        """How many forwards of a cycle each input is chosen in."""
        chances = [(j + 1) ** 2 if self.distribution != "uniform" else 1 for j in range(count)]
        if self.distribution == "falling":
            chances.reverse()
        ends = [-(-end * self.cycle // sum(chances)) for end in (0, *accumulate(chances))]
        return [end - start for start, end in pairwise(ends)]

    def weights(self, inputs: tuple[TensorType, ...]) -> Iterable[Weight]:
        if self.cycle:
            yield Weight("iteration", (), ZEROS, learned=False, dtype="int")

    def factors(self, count: int) -> tuple[Fraction, ...] | None:
        return (Fraction(1),) * count

    def saved_for_backward(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Held | None:
        if len(inputs) == 1:
            return Held(view="same")
        return Held(scratch=elements(outputs[0])) if len(inputs) > 2 else NOTHING

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall("runtime.FreezeDropPath", (), {"distribution": self.distribution, "cycle": self.cycle})


class Choice(Op):
    """A random whole number below n at each forward in training, or for each image: what `draw r = choice(n)` draws.

    Each is as likely. With probability 1 - share, and always in evaluation, it is -1: no choice. The op's input tells
    the batch and the device; nothing of its values arrives.
    """

    kind: ClassVar[str] = "choice"
    family: ClassVar[str] = "io"
    title: ClassVar[str] = "choice of"
    traits: ClassVar[Trait] = Trait.RANDOM
    saved: ClassVar[Held | None] = NOTHING
    drops_paths: ClassVar[bool] = True
    positional: ClassVar[tuple[str, ...]] = ("n",)
    carries_data: ClassVar[bool] = False
    is_drawn: ClassVar[bool] = True

    n: Annotated[Count, Mark.COUNTED] = Field(description="how many numbers there are to choose from")
    share: Probability = Field(1.0, description="probability that there is a choice at all")
    per: Per = Field("batch", description="what one number holds for: the mini-batch or an image")

    def infer(self, inputs: tuple[TensorType, ...], facts: Facts) -> tuple[TensorType, ...]:
        if not inputs[0].rank:
            raise LayerError("E0401", f"{self.kind} takes the batch from a tensor that has one, not a single number")
        axis = inputs[0].axes[0] if self.per == "image" else Axis(1)
        return (TensorType((axis,), "int"),)

    def lower(self, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> Lowering:
        return ModuleCall("runtime.Choice", (self.n,), {"share": self.share, "per": self.per}, inputs=(In(0),))
