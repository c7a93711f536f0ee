"""Compare two networks; the result is a `Review`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from functools import cached_property

from resdsl.analysis.cost import total
from resdsl.analysis.same_network import same_network
from resdsl.gc_pause import collection_paused
from resdsl.ir.graph import Graph
from resdsl.ir.preprocess import Preprocess
from resdsl.ir.values import format_value
from resdsl.review.align import Alignment, align
from resdsl.review.changes import Change, Delta, Interface, Side, Totals
from resdsl.review.checkpoint import Verdict, judge
from resdsl.review.grouping import BlockNames, Grouper, Measured, pixels
from resdsl.review.marks import Marks, mark_nodes, unchanged


@dataclass(frozen=True)
class Review:
    """The differences between two networks, and whether weights of the old one load into the new one."""

    old: Side
    new: Side
    changes: tuple[Change, ...]
    checkpoint: Verdict
    graphs: tuple[Graph, Graph] = dataclasses.field(repr=False)
    marks: Marks = dataclasses.field(repr=False)
    """The mark of each node, which text, pictures and pages show."""
    forms: tuple[str, ...] = ()
    """How one network is written in two ways: norms folded, other names. They are no changes."""
    _aligned: Alignment | None = dataclasses.field(default=None, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether the networks are equal; their texts may differ."""
        return not self.changes

    @property
    def is_architectural(self) -> bool:
        """Whether the graph or the tensor names differ, not only preprocessing or labels."""
        return any(not isinstance(change, Interface) or change.architectural for change in self.changes)

    @property
    def delta(self) -> Delta:
        """New minus old."""
        old, new = self.old.totals, self.new.totals
        return Delta(new.parameters - old.parameters, new.macs - old.macs, new.activation_bytes - old.activation_bytes)

    @cached_property
    def alignment(self) -> Alignment:
        """The pairs of corresponding layers."""
        return self._aligned or align(*self.graphs)


def compare(
    old: Graph,
    new: Graph,
    *,
    sources: tuple[str, str] = ("old", "new"),
    blocks: tuple[BlockNames, BlockNames] | None = None,
    is_foreign: bool = False,
) -> Review:
    """Compare two networks. ``sources`` are the names of their files, for display.

    With ``blocks``, one of the two is an ONNX file. What compilers and exporters (``is_foreign``) change without
    changing what is computed (``review/forms.py``) is then no change: it is stated in ``forms``, and ``graphs`` are the
    networks without it. ``blocks`` are the names of blocks by path, as far as they are known; which layers are a block
    is found anew, for both networks in the same way (``decompile/together.py``).
    """
    with collection_paused():
        if blocks is None or same_network(old, new):
            return _compared(old, new, sources)
        from resdsl.review.forms import in_one_form  # texts are compared as they are written

        before, after, forms = in_one_form(old, new, is_foreign=is_foreign)
        review = _compared(before, after, sources, blocks)
        if not forms:
            return review
        # The totals are those of the files.
        sides = _side(Measured(old), sources[0]), _side(Measured(new), sources[1])
        return replace(review, old=sides[0], new=sides[1], forms=forms)


def _compared(
    old: Graph, new: Graph, sources: tuple[str, str], blocks: tuple[BlockNames, BlockNames] | None = None
) -> Review:
    before = Measured(old)
    if same_network(old, new):
        changes = _interface(old, new, None)
        verdict = judge(old, new, None, changes)
        side = _side(before, sources[0])
        other = replace(side, name=new.name, source=sources[1])
        return Review(side, other, changes, verdict, (old, new), unchanged(old, new))
    after = Measured(new)
    alignment = align(*_nested(old, new, blocks))
    marks = mark_nodes(old, new, alignment)
    grouper = Grouper(before, after, alignment, marks, blocks)
    changes = grouper.changes() + _interface(old, new, alignment)
    verdict = judge(old, new, alignment, changes)
    sides = _side(before, sources[0]), _side(after, sources[1])
    return Review(*sides, changes, verdict, (old, new), marks, _aligned=alignment)


def _nested(old: Graph, new: Graph, blocks: tuple[BlockNames, BlockNames] | None) -> tuple[Graph, Graph]:
    """The networks with the scopes by which they are compared: those of their texts, where both are texts."""
    if blocks is None:
        return old, new
    from resdsl.decompile.together import nested_alike  # texts say which blocks they have

    return nested_alike((old, new), blocks)


def _side(measured: Measured, source: str) -> Side:
    graph = measured.graph
    cost = total(measured.costs, graph.inference_nodes)
    totals = Totals(
        parameters=cost.parameters,
        macs=cost.macs,
        activation_bytes=cost.activation_bytes,
        depth=graph.depth,
        receptive_field=_last_field(measured),
        outputs=tuple((output.name, graph.nodes[output.node].type) for output in graph.outputs if not output.aux),
    )
    return Side(graph.name, source, totals)


def _last_field(measured: Measured) -> tuple[int, int] | None:
    """The receptive field of the last feature map before global pooling and upsampling."""
    whole: set[int] = set()
    last = 0
    for node in measured.graph.nodes:
        if node.index in measured.graph.aux_nodes:
            continue
        shape = node.type.shape
        if node.operator.enlarges or (whole and not whole.isdisjoint(node.inputs)):
            whole.add(node.index)
        elif len(shape) == 4 and shape[2:] != (1, 1):
            last = node.index
    return pixels(measured.fields[last])


def _interface(old: Graph, new: Graph, alignment: Alignment | None) -> tuple[Change, ...]:
    changes: list[Change] = []

    def note(what: str, before: str, after: str, *, architectural: bool) -> None:
        changes.append(Interface(what=what, places=(), old=before, new=after, architectural=architectural))

    if old.input_name != new.input_name:
        note("name of the input", old.input_name, new.input_name, architectural=True)
    ends = {output.name: output.node for output in old.outputs}, {output.name: output.node for output in new.outputs}
    aux = [{output.name for output in graph.outputs if output.aux} for graph in (old, new)]
    for name in dict.fromkeys([*ends[0], *ends[1]]):
        before, after = ends[0].get(name), ends[1].get(name)
        if before is None or after is None:
            place = new.nodes[after].path if after is not None else "none"
            gone = old.nodes[before].path if before is not None else "none"
            note(f"output {name}", gone, place, architectural=True)
        elif (name in aux[0]) != (name in aux[1]):
            use = ["for training" if name in names else "for inference" for names in aux]
            note(f"output {name}", *use, architectural=True)
        elif alignment is not None and _is_elsewhere(alignment, before, after):
            note(f"output {name}", old.nodes[before].path, new.nodes[after].path, architectural=True)
    if old.preprocess != new.preprocess:
        note("preprocess", *_differing_steps(old.preprocess, new.preprocess), architectural=False)
    if old.labels != new.labels:
        note("labels", _labels(old.labels), _labels(new.labels), architectural=False)
    return tuple(changes)


def _is_elsewhere(alignment: Alignment, before: int, after: int) -> bool:
    """Whether an output now comes from another node, although its old node still exists."""
    return alignment.pairs.get(before) != after and before in alignment.pairs and after in alignment.back


def _differing_steps(old: Preprocess | None, new: Preprocess | None) -> tuple[str, str]:
    """The steps that are only in one of the two; all steps if only the order differs."""
    before, after = _steps(old), _steps(new)
    gone, come = [step for step in before if step not in after], [step for step in after if step not in before]
    if not gone and not come:
        gone, come = before, after
    return "; ".join(gone) or "none", "; ".join(come) or "none"


def _steps(preprocess: Preprocess | None) -> list[str]:
    texts: list[str] = []
    if preprocess is None:
        return texts
    for step in preprocess.steps:
        values = [(field, getattr(step, field.name)) for field in dataclasses.fields(step)]
        arguments = [
            _word(value) if field.default is dataclasses.MISSING else f"{field.name} = {_word(value)}"
            for field, value in values
            if value != field.default
        ]
        texts.append(f"{type(step).__name__.lower()}({', '.join(arguments)})")
    return texts


def _word(value: object) -> str:
    # Choices are written without quotes in the language.
    return value if isinstance(value, str) else format_value(value, shortest=True)


def _labels(labels: tuple[str, ...] | None) -> str:
    if labels is None:
        return "none"
    return f"{len(labels)} classes ({', '.join(labels[:2])}, ...)" if len(labels) > 2 else ", ".join(labels)
