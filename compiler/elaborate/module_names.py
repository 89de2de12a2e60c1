"""Module names: which are allowed, and how a scope hands them out."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from ...dsl.diagnostics import Fault, fault
from ...dsl.diagnostics import Label as Note
from ...dsl.source import Span
from ..ir.free_names import FreeNames
from ..ir.graph import Node, Scope
from ..ir.words import few
from ..ops.core import Extern, Parameter
from .suggestions import Compared

SEGMENT = re.compile(r"(?!__)[A-Za-z0-9_][A-Za-z0-9_-]*\Z")

# The public attributes of torch.nn.Module and torch.fx.GraphModule: a child of such a name would hide them.
# A test holds this set to what the installed torch has.
MODULE_ATTRIBUTES = frozenset(
    [
        *("add_module", "add_submodule", "apply", "bfloat16", "buffers", "call_super_init", "children", "code"),
        *("compile", "cpu", "cuda", "delete_all_unused_submodules", "delete_submodule", "double", "dump_patches"),
        *("eval", "extra_repr", "float", "forward", "get_buffer", "get_extra_state", "get_parameter"),
        *("get_submodule", "graph", "half", "ipu", "load_state_dict", "meta", "modules", "mtia", "named_buffers"),
        *("named_children", "named_modules", "named_parameters", "parameters", "print_readable", "recompile"),
        *("register_backward_hook", "register_buffer", "register_forward_hook", "register_forward_pre_hook"),
        *("register_full_backward_hook", "register_full_backward_pre_hook", "register_load_state_dict_post_hook"),
        *("register_load_state_dict_pre_hook", "register_module", "register_parameter"),
        *("register_state_dict_post_hook", "register_state_dict_pre_hook", "requires_grad_", "set_extra_state"),
        *("set_submodule", "shape_env", "share_memory", "state_dict", "to", "to_empty", "to_folder", "train"),
        *("training", "type", "xpu", "zero_grad", "T_destination"),
    ]
)

PRIVATE_ATTRIBUTES = frozenset(
    [
        *("_apply", "_backward_hooks", "_backward_pre_hooks", "_boxed_call", "_buffers", "_call_impl", "_code"),
        *("_compiled_call_impl", "_create_node_hooks", "_deepcopy_hooks", "_deepcopy_init", "_erase_node_hooks"),
        *("_forward_hooks", "_forward_hooks_always_called", "_forward_hooks_with_kwargs", "_forward_pre_hooks"),
        *("_forward_pre_hooks_with_kwargs", "_get_abs_string_index", "_get_backward_hooks"),
        *("_get_backward_pre_hooks", "_get_item_by_idx", "_get_name", "_graph", "_is_full_backward_hook"),
        *("_lineno_map", "_load_from_state_dict", "_load_state_dict_post_hooks", "_load_state_dict_pre_hooks"),
        *("_maybe_warn_non_full_backward_hook", "_modules", "_named_members", "_non_persistent_buffers_set"),
        *("_parameters", "_prologue_start", "_recompile_submodules", "_register_create_node_hook"),
        *("_register_deepcopy_hook", "_register_erase_node_hook", "_register_load_state_dict_pre_hook"),
        *("_register_replace_node_hook", "_register_state_dict_hook", "_replace_hooks"),
        *("_replicate_for_data_parallel", "_save_to_state_dict", "_set_replace_hook", "_slow_forward"),
        *("_state_dict_hooks", "_state_dict_pre_hooks", "_tracer_cls", "_tracer_extras"),
        *("_unregister_create_node_hook", "_unregister_deepcopy_hook", "_unregister_erase_node_hook"),
        *("_unregister_replace_node_hook", "_version", "_wrapped_call", "_wrapped_call_impl"),
    ]
)
"""The private attributes of torch's modules, of its lists of modules, and of those of torch.fx. A test holds this set
to what the installed torch has."""

OWN_ATTRIBUTES = frozenset(
    [
        *(
            "_adopt",
            "_constants",
            "_described",
            "_edited",
            "_eval_graph",
            "_functions",
            "_path",
            "_reason",
            "_refuse",
            "_run",
        ),
        *("_tied", "_title", "_warn_of_half", "_watch", "_written"),
    ]
)
"""The private attributes of the modules that archc compiles."""

SELF = "self"
CODE_WORDS = frozenset(
    {SELF, "torch", "operator", "device", "inf", "nan", "NoneType", "fx_pytree", "pytree", "getattr", "slice"}
)
"""Names that generated code itself refers to, so no argument of `forward` can have them."""


def check_argument(name: str, span: Span | None, others: Iterable[str] = ()) -> None:
    """Raises a Fault if an input's name cannot be an argument of the module's `forward`, beside `others`."""
    plain = _plain(name)
    for other in others:
        if _plain(other) == plain and (_may_be_renamed(other, name) or _may_be_renamed(name, other)):
            hint = "rename one of the two: torch's code writes names in small letters, and numbers Python's own"
            raise fault("E0511", f"an input cannot be named `{name[:60]}` beside `{other[:60]}`", span, hint)
    if not name.isascii() or keyword.iskeyword(name) or name in CODE_WORDS or name.startswith("__"):
        hint = "rename it: an input's name is an argument of the module's forward"
        raise fault("E0511", f"an input cannot be named `{name[:60]}`", span, hint)


@lru_cache(maxsize=4096)
def _plain(name: str) -> str:
    """What names have in common that torch.fx may write alike, as `Conv_1` and `conv_1`."""
    return re.sub(r"_\d+$", "", name).lower().replace("_", "")


def _may_be_renamed(name: str, to: str) -> bool:
    """Whether torch.fx may give a value of the first name the second, which is plainly the same: it writes names in
    small letters, and numbers them where they are Python's own."""
    return (name != name.lower() or hasattr(builtins, name)) and to == to.lower()


class Declared(Protocol):
    """What is shared: `home` is the module that it is, once it is applied."""

    home: Scope | Node | None


@dataclass(slots=True, eq=False, repr=False)
class OpenScope(Scope):
    """A scope under construction: `counter` numbers list elements, `written` says where each label stands, and children
    that name themselves wait under provisional keys until every label is known. `order` has the labels of `order`
    statements, each with its place there, or with None where the part may be absent. `declared` has what is `shared` in
    the body that fills it, by name. `layer`: it stands for a layer whose weights were given. `toll`: steps of whatever
    is put into it, beside those of itself.
    """

    counter: int = 0
    written: dict[str, Span] = field(default_factory=dict)
    order: dict[str, Span | None] = field(default_factory=dict)
    declared: dict[str, Declared] = field(default_factory=dict)
    layer: bool = False
    again: dict[str, int] = field(default_factory=dict)
    depth: int = field(init=False)
    length: int = field(init=False)
    toll: int = field(init=False)

    def __post_init__(self) -> None:
        around = self.parent if isinstance(self.parent, OpenScope) else None
        self.depth = around.depth + 1 if around is not None else 0
        self.length = (around.length if around is not None else 0) + len(self.name)
        self.toll = max(0, self.depth - _SHALLOW) + self.length // CHARACTERS


_SHALLOW = 10
"""Scopes in one another that cost nothing: what is deeper counts a step for each further one, as figures are told of
every scope around it."""
CHARACTERS = 64
"""Characters of a path that count as a step for whatever has it in its own."""


def check_segment(text: str, span: Span | None) -> None:
    """Raises a Fault if `text` cannot be the name of a torch module."""
    if not SEGMENT.match(text):
        hint = "a label's segments are letters, digits, `_` and `-`, and do not start with `-` or `__`"
        raise fault("E0501", f"`{text[:60]}` cannot name a module", span, hint)
    instead = f"write `{text}_`, or a name that says what the part does"
    if keyword.iskeyword(text) or text == SELF:
        what = "what a module's code calls the module itself" if text == SELF else "a word of Python"
        raise fault("E0502", f"`{text}` is {what}, so no module can have this name", span, instead)
    if text in MODULE_ATTRIBUTES or text in PRIVATE_ATTRIBUTES:
        raise fault("E0503", f"`{text}` would hide torch's own `Module.{text}`", span, instead)
    if text in OWN_ATTRIBUTES:
        raise fault("E0503", f"`{text}` would hide what compiled modules have under this name", span, instead)


def may_name(text: str) -> bool:
    """Whether a module can have this name."""
    try:
        check_segment(text, None)
    except Fault:
        return False
    return True


def own_name(node: Node) -> str:
    """What a layer without a label is called: by its kind, a tensor by its name, or by the name of the extern, made one
    that modules have."""
    if isinstance(node.op, Parameter):
        return node.op.name
    if not isinstance(node.op, Extern):
        return node.op.kind
    name = node.op.name.strip("_") or node.op.kind
    return f"{name}_" if keyword.iskeyword(name) or name == SELF or name in MODULE_ATTRIBUTES else name


def provisional(node: Node) -> str:
    """The key of a child that is to name itself; no label can look like it."""
    return f" {node.index}"


def claim(scope: OpenScope, name: str, span: Span) -> str:
    """The name under which a child labelled `name` at `span` is registered: `name_2` where that label is met again.

    Raises a Fault where two labels are written alike.
    """
    first = scope.written.get(name)
    if name not in scope.children and first in (None, span):
        scope.written[name] = span
        return name
    if first is None:
        raise numbered_twice(scope, name, span)
    if first != span:
        where = f"the scope `{scope.path}`" if scope.path else "this scope"
        message = f"two parts of {where} are labelled `{name}`"
        hint = "labels name parameters, so each must be its own: rename one, or put the parts into scopes of their own"
        raise fault("E0504", message, span, hint, labels=(Note(first, "the first one"),))
    return _unused(scope, name)


def numbered_twice(scope: OpenScope, name: str, span: Span | None) -> Fault:
    """The Fault where an element's own number and a label are the same."""
    written = scope.written.get(name)
    return fault(
        "E0504",
        f"a part is labelled `{name}`, and an element of a list or power in the same scope has this number",
        span,
        "elements without a label are numbered from 0, those with one included: label all of them, or use other labels",
        labels=(Note(written, "labelled here"),) if written is not None and written != span else (),
    )


def unused_name(scope: OpenScope, name: str) -> str:
    """The name, or with `_2`, `_3` where it is taken."""
    return name if name not in scope.children else _unused(scope, name)


def _unused(scope: OpenScope, name: str) -> str:
    number = scope.again.get(name, 2)
    while f"{name}_{number}" in scope.children:
        number += 1
    scope.again[name] = number + 1
    return f"{name}_{number}"


def settle(scope: OpenScope, compared: Compared) -> Iterator[Fault]:
    """Gives every child that names itself its name, and puts the children into the stated order.

    What is shared and stands in that order has its name as a child, beside the labels of its applications. Yields a
    Fault for each name in the order which no child has.
    """
    waiting = [key for key in scope.children if key.startswith(" ")]
    if not waiting and not scope.order:
        return
    children: dict[str, Scope | Node] = {}
    names = FreeNames(scope.children)
    for key, child in scope.children.items():
        if key.startswith(" ") and isinstance(child, Node):
            child.name = key = names.new(own_name(child))
        children[key] = child
    kept: list[str] = []
    for name, span in scope.order.items():
        if name in children:
            continue
        home = _home(scope, name)
        if home is not None:
            try:
                check_segment(name, span)
            except Fault as problem:
                yield problem
            children[name] = home
            kept.append(name)
        elif span is not None:
            known = [*children, *(name for name in scope.declared if _home(scope, name) is not None)]
            hints = compared.did_you_mean(name, known) or (f"its parts are {few(known, most=20)}",)
            yield fault("E0510", f"`order` names `{name}`, and no part here has this label", span, *hints)
    first = {name: children[name] for name in scope.order if name in children}
    scope.children.clear()
    scope.children.update(first | children)
    for name in kept:
        _own_first(scope, name)


def _home(scope: OpenScope, name: str) -> Scope | Node | None:
    """The module that something shared is which a scope declares under a name, None where it has no layers."""
    home = scope.declared[name].home if name in scope.declared else None
    return None if isinstance(home, Scope) and not home.children else home


def _own_first(scope: OpenScope, name: str) -> None:
    """Makes the name of something shared its own, where it comes before that in the checkpoint: as in torch, the first
    name is that under which parameters are listed."""
    item = scope.children[name]
    around: Scope | Node = item
    while around.holder is not None and around.holder is not scope:
        around = around.holder
    names = list(scope.children)
    if around.holder is scope and names.index(name) < names.index(around.name):
        item.name = name
        if isinstance(item, Scope):
            item.parent = scope
        else:
            item.scope = scope
