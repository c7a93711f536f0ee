"""Group findings into changes: equal edits become one change, and layers that follow are listed under their cause."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple

from resdsl.analysis.cost import Cost, costs, total
from resdsl.analysis.receptive import ReceptiveField, receptive_fields
from resdsl.ir.graph import Graph, Node
from resdsl.ops.input import Input
from resdsl.review.align import Alignment
from resdsl.review.changes import (
    Added,
    Change,
    Changed,
    Delta,
    Field,
    Follows,
    Location,
    Moved,
    Removed,
    Renamed,
    Repeated,
    Rewired,
    ValueInfo,
)
from resdsl.review.findings import Finder, Finding
from resdsl.review.marks import Marks
from resdsl.review.trees import Item
from resdsl.review.wording import call_fields, called

BlockNames = Mapping[str, str]
"""The names of blocks, by the paths of their instances."""


class Measured:
    """A graph with cost, depth and receptive field of each node."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        # The input is not an activation of the network.
        self.costs = (Cost(), *costs(graph)[1:])
        self.depths = graph.depths()
        self.fields = receptive_fields(graph)

    def reading(self, item: Item) -> ValueInfo:
        return self.at(item.output)

    def at(self, node: int) -> ValueInfo:
        return ValueInfo(self.graph.nodes[node].type, self.depths[node], pixels(self.fields[node]))


def pixels(field: ReceptiveField | None) -> tuple[int, int] | None:
    return (field.rows.size, field.columns.size) if field is not None else None


_ARGUMENTS = re.compile(r"\([^()]*\)")


@dataclass(slots=True, eq=False)
class _Cause:
    """Equal findings, or findings in equal calls of a block. ``calls`` are the scopes whose calls changed."""

    fields: tuple[Field, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    calls: dict[Item, Item] = field(default_factory=dict)
    followers: list[tuple[int, int]] = field(default_factory=list)


class Grouper:
    """Groups findings into changes, whose totals add up to the difference between the two networks.

    ``names`` are the known names of blocks, by path, of two networks whose blocks and arguments are found and not
    written (``None``: the calls are those of texts). What becomes twice as wide everywhere is one change then: that a
    text says so in one argument cannot be seen in a network.
    """

    def __init__(
        self,
        old: Measured,
        new: Measured,
        alignment: Alignment,
        marks: Marks,
        names: tuple[BlockNames, BlockNames] | None = None,
    ) -> None:
        self._names = names
        self._old = old
        self._new = new
        self._alignment = alignment
        self._marks = marks
        shared = {output.name for output in old.graph.outputs} & {output.name for output in new.graph.outputs}
        self._needed = _needed_for(old.graph, shared), _needed_for(new.graph, shared)

    def changes(self) -> tuple[Change, ...]:
        causes: dict[Hashable, _Cause] = {}
        findings = Finder(self._old.graph, self._new.graph, self._alignment, self._marks).findings()
        calls = [self._call_of(finding) for finding in findings]
        if self._names is not None:
            calls = self._without_definitions(findings, calls, self._names)
        for finding, call in zip(findings, calls, strict=True):
            key, fields = self._key(finding, call)
            cause = causes.setdefault(key, _Cause(fields))
            cause.findings.append(finding)
            if call is not None:
                cause.calls[call[1]] = call[0]
        self._follow(list(causes.values()))
        return (*(self._change(cause) for cause in causes.values()), *self._renamings())

    # --- grouping ---

    def _call_of(self, finding: Finding) -> tuple[Item, Item] | None:
        """The innermost enclosing call that changed, in the old and the new network."""
        for scope in finding.item.ancestors():
            partner = self._alignment.partners.get(scope)
            if partner is None or not scope.kind == partner.kind == "block":
                continue
            before, after = (partner, scope) if finding.after is not None else (scope, partner)
            if before.callee != after.callee or before.arguments != after.arguments:
                return before, after
        return None

    def _without_definitions(
        self,
        findings: Sequence[Finding],
        calls: Sequence[tuple[Item, Item] | None],
        names: tuple[BlockNames, BlockNames],
    ) -> list[tuple[Item, Item] | None]:
        """The calls without those of a block that is changed in the same way in all of its calls.

        That is an edit of the block, as far as a network can tell it from other arguments.
        """
        edits: dict[Hashable, dict[_Edit, set[Item]]] = defaultdict(lambda: defaultdict(set))
        for finding, call in zip(findings, calls, strict=True):
            if call is not None:
                edits[_callees(call)][_edit(finding, call)].add(call[0])
        instances: dict[str, list[Item]] = defaultdict(list)
        pieces: set[str] = set()
        for item in self._alignment.old.walk():
            pieces.add(item.path)
            if item.kind == "block" and not self._alignment.pairs.keys().isdisjoint(item.leaves):
                instances[item.callee].append(item)

        def is_definition(call: tuple[Item, Item]) -> bool:
            called = [some.get(item.path) for some, item in zip(names, call, strict=True)]
            if None not in called and called[0] != called[1]:
                return False
            return all(
                one in changed or (edit.old and f"{one.path}.{edit.old}" not in pieces)
                for edit, changed in edits[_callees(call)].items()
                for one in instances[call[0].callee]
            )

        defined = {_callees(call): is_definition(call) for call in dict.fromkeys(calls) if call is not None}
        return [None if call is None or defined[_callees(call)] else call for call in calls]

    def _key(self, finding: Finding, call: tuple[Item, Item] | None) -> tuple[Hashable, tuple[Field, ...]]:
        if call is None:
            return self._own_key(finding), finding.fields
        fields = call_fields(*call)
        if self._names is not None:
            return ("call", *_callees(call), _trend(fields)), ()
        return ("call", *_callees(call), fields), fields

    def _own_key(self, finding: Finding) -> Hashable:
        if finding.kind == "changed":
            return "changed", finding.what, finding.fields
        if finding.kind in ("repeated", "rewired"):
            return finding.kind, finding.item.path, finding.what
        label = finding.item.label
        # The same piece in many blocks is one change, and so is the same piece at several numbers in one block.
        named = not label.isdigit()
        return finding.kind, label if named else "", _ARGUMENTS.sub("", finding.what) if named else finding.what

    # --- consequences ---

    def _follow(self, causes: Sequence[_Cause]) -> None:
        """Assign each layer that follows to the cause that reached it first."""
        owner: dict[int, _Cause] = {}
        gone: dict[int, _Cause] = {}
        for cause in causes:
            for finding in cause.findings:
                owner.update(dict.fromkeys(finding.new_nodes, cause))
                gone.update(dict.fromkeys(finding.old_nodes, cause))
        for index in sorted(self._marks.follows):
            node, old_index = self._new.graph.nodes[index], self._alignment.back[index]
            old = self._old.graph.nodes[old_index]
            reached = [owner[index] for index in node.inputs if index in owner and self._differs(index)]
            reached += [gone[index] for index in old.inputs if index in gone]
            reached += [owner[index] for index in node.inputs if index in owner]
            cause = (reached or list(causes))[0]
            owner[node.index] = cause
            cause.followers.append((old_index, node.index))

    def _differs(self, index: int) -> bool:
        old = self._alignment.back.get(index)
        return old is None or self._old.graph.nodes[old].type != self._new.graph.nodes[index].type

    def _follows(self, cause: _Cause) -> Follows | None:
        if not cause.followers:
            return None
        places: list[Location] = []
        reshaped: list[str] = []
        delta = Delta()
        for old, new in cause.followers:
            before, after = self._old.graph.nodes[old], self._new.graph.nodes[new]
            places.append(Location(before.path, after.path, self._old.at(old), self._new.at(new)))
            delta += self._difference((old,), (new,))
            shapes = _tensors(self._old.graph, [before]).values(), _tensors(self._new.graph, [after]).items()
            reshaped += [name for was, (name, shape) in zip(*shapes, strict=True) if was != shape]
        return Follows(tuple(places), tuple(reshaped), delta)

    # --- changes ---

    def _change(self, cause: _Cause) -> Change:
        if not cause.calls:
            return replace(self._merge(cause.findings), consequences=self._follows(cause))
        kinds: dict[Hashable, list[Finding]] = defaultdict(list)
        scopes = {*cause.calls, *cause.calls.values()}
        for finding in cause.findings:
            fields = tuple(one.name for one in finding.fields)
            kinds[finding.kind, _within(finding, scopes), fields].append(finding)
        details = tuple(self._merge(findings) for findings in kinds.values())
        names = dict.fromkeys(called(after) for after in cause.calls)
        return Changed(
            what=next(iter(names)) if len(names) == 1 else next(iter(cause.calls)).callee,
            places=tuple(self._place(before, after) for after, before in cause.calls.items()),
            delta=sum((detail.delta for detail in details), Delta()),
            consequences=self._follows(cause),
            is_silent=any(detail.is_silent for detail in details),
            fields=cause.fields if self._names is None else _fields_of(cause.calls),
            details=details,
        )

    def _merge(self, findings: Sequence[Finding]) -> Change:
        """One change from equal findings."""
        first = findings[0]
        places = tuple(self._place(finding.before, finding.after) for finding in findings)
        delta = sum((self._difference(one.old_nodes, one.new_nodes) for one in findings), Delta())
        silent = all(self._is_silent(one) for one in findings)
        what = _what([one.what for one in findings])
        if first.kind == "added":
            return Added(what=what, places=places, delta=delta, is_silent=silent)
        if first.kind == "removed":
            return Removed(what=what, places=places, delta=delta, is_silent=silent)
        if first.kind == "moved":
            old_names, new_names = self._sources(first)
            return Moved(what=what, places=places, delta=delta, is_silent=silent, old=old_names, new=new_names)
        if first.kind == "repeated":
            old, new = first.counts
            return Repeated(what=what, places=places, delta=delta, is_silent=silent, old=old, new=new)
        if first.kind == "rewired":
            old_names, new_names = self._sources(first)
            return Rewired(what=what, places=places, delta=delta, is_silent=silent, old=old_names, new=new_names)
        fields = _merged([one.fields for one in findings])
        return Changed(what=what, places=places, delta=delta, is_silent=silent, fields=fields)

    def _is_silent(self, finding: Finding) -> bool:
        """Whether a finding changes the computation but no name or shape of a tensor."""
        old = [self._old.graph.nodes[index] for index in finding.old_nodes]
        new = [self._new.graph.nodes[index] for index in finding.new_nodes]
        if all(node.operator.is_identity or isinstance(node.operator, Input) for node in (*old, *new)):
            return False
        matters = any(node.index in self._needed[0] for node in old) or any(
            node.index in self._needed[1] for node in new
        )
        return matters and _tensors(self._old.graph, old) == _tensors(self._new.graph, new)

    def _place(self, before: Item | None, after: Item | None) -> Location:
        return Location(
            before.path if before is not None else None,
            after.path if after is not None else None,
            self._old.reading(before) if before is not None else None,
            self._new.reading(after) if after is not None else None,
        )

    def _sources(self, finding: Finding) -> tuple[tuple[str, ...], tuple[str, ...]]:
        def names(graph: Graph, node: int) -> tuple[str, ...]:
            inputs = graph.nodes[node].inputs
            return tuple(graph.nodes[index].path if index else graph.input_name for index in inputs)

        return names(self._old.graph, finding.old_nodes[0]), names(self._new.graph, finding.new_nodes[0])

    def _difference(self, old: Iterable[int], new: Iterable[int]) -> Delta:
        before, after = total(self._old.costs, old), total(self._new.costs, new)
        return _difference(before, after)

    # --- renames ---

    def _renamings(self) -> list[Change]:
        alignment = self._alignment
        groups: dict[Hashable, list[tuple[Item, Item]]] = defaultdict(list)
        for old, new in alignment.pairs.items():
            if new in self._marks.renamed:
                before, after = alignment.old_leaves[old], alignment.new_leaves[new]
                groups[_renaming(before.path, after.path)[0]].append((before, after))
        return [self._renamed(pairs) for pairs in groups.values()]

    def _renamed(self, pairs: Sequence[tuple[Item, Item]]) -> Renamed:
        tensors: dict[str, str] = {}
        places: dict[tuple[str, str], Location] = {}
        for before, after in pairs:
            assert before.node is not None and after.node is not None
            heads = _heads(before.path, after.path)
            places.setdefault(heads, Location(*heads, self._old.reading(before), self._new.reading(after)))
            new = self._new.graph.nodes[after.node]
            for spec in self._new.graph.applications[new.index].parameters:
                name = f"{before.path}.{spec.name}"
                if name in self._old.graph.parameters:
                    tensors[name] = f"{after.path}.{spec.name}"
        _, old, new_name = _renaming(pairs[0][0].path, pairs[0][1].path)
        if len(places) == 1:
            ((old, new_name),) = places
        elif old.isdigit() or new_name.isdigit():
            # A number alone does not name a layer.
            old, new_name = f"*.{old}", f"*.{new_name}"
        return Renamed(what="", places=tuple(places.values()), old=old, new=new_name, tensors=tensors)


def _callees(call: tuple[Item, Item]) -> tuple[str, str]:
    return call[0].callee, call[1].callee


class _Edit(NamedTuple):
    """What was done to a part of a block: equal for the same edit in two calls."""

    kind: str
    old: str
    """The path inside the block; empty for what is added."""
    new: str
    what: str
    fields: tuple[Field, ...]


def _edit(finding: Finding, call: tuple[Item, Item]) -> _Edit:
    old, new = (
        "" if item is None else item.path.removeprefix(f"{scope.path}.")
        for item, scope in zip((finding.before, finding.after), call, strict=True)
    )
    return _Edit(finding.kind, old, new, finding.what, finding.fields)


def _trend(fields: tuple[Field, ...]) -> Hashable:
    """Equal for changes of arguments in the same ratio, and for other ones that are equal."""
    if fields and not fields[0].name:
        return ()
    return tuple(
        (one.name, Fraction(int(one.new), int(one.old)))
        if one.old.isdecimal() and one.new.isdecimal() and int(one.old)
        else (one.name, one.old, one.new)
        for one in fields
    )


def _fields_of(calls: Mapping[Item, Item]) -> tuple[Field, ...]:
    """The arguments in which calls differ, with all of their values; the blocks, if these differ."""
    found: dict[str, dict[tuple[str, str], None]] = defaultdict(dict)
    for after, before in calls.items():
        fields = call_fields(before, after)
        for one in fields[:1] if fields and not fields[0].name else fields:
            found[one.name][one.old, one.new] = None
    return tuple(
        Field(name, ", ".join(old for old, _ in pairs), ", ".join(new for _, new in pairs))
        for name, pairs in found.items()
    )


def _within(finding: Finding, scopes: Collection[Item]) -> str:
    """The path of a piece relative to the call around it."""
    scope = next(scope for scope in finding.item.ancestors() if scope in scopes)
    return finding.item.path.removeprefix(f"{scope.path}.")


def _what(texts: Iterable[str]) -> str:
    """One text for several pieces, without their arguments if these differ."""
    distinct = list(dict.fromkeys(texts))
    if len(distinct) == 1:
        return distinct[0]
    return " or ".join(dict.fromkeys(_ARGUMENTS.sub("", text).strip() for text in distinct))


def _merged(several: Sequence[tuple[Field, ...]]) -> tuple[Field, ...]:
    """The same arguments at several locations; different values are listed."""
    merged: list[Field] = []
    for same in zip(*several, strict=True):
        pairs = list(dict.fromkeys((one.old, one.new) for one in same))
        merged.append(Field(same[0].name, ", ".join(old for old, _ in pairs), ", ".join(new for _, new in pairs)))
    return tuple(merged)


def _needed_for(graph: Graph, outputs: Collection[str]) -> set[int]:
    """The nodes that the given outputs depend on."""
    needed = {output.node for output in graph.outputs if output.name in outputs}
    for node in reversed(graph.nodes):
        if node.index in needed:
            needed.update(node.inputs)
    return needed


def _tensors(graph: Graph, nodes: Iterable[Node]) -> dict[str, tuple[int, ...]]:
    return {
        f"{node.path}.{spec.name}": spec.shape for node in nodes for spec in graph.applications[node.index].parameters
    }


def _difference(before: Cost, after: Cost) -> Delta:
    return Delta(
        after.parameters - before.parameters,
        after.macs - before.macs,
        after.activation_bytes - before.activation_bytes,
    )


def _heads(old: str, new: str) -> tuple[str, str]:
    """Two names without their common suffix."""
    before, after = old.split("."), new.split(".")
    while before and after and before[-1] == after[-1]:
        del before[-1], after[-1]
    # If one name would be empty, both keep one common part.
    if not before or not after:
        common = old.split(".")[len(before)]
        before, after = [*before, common], [*after, common]
    return ".".join(before), ".".join(after)


def _renaming(old: str, new: str) -> tuple[Hashable, str, str]:
    """A key that is equal for equal renames, and the parts of two names that differ."""
    before, after = _heads(old, new)
    left, right = before.split("."), after.split(".")
    common = 0
    while common < min(len(left), len(right)) - 1 and left[common] == right[common]:
        common += 1
    short = ".".join(left[common:]), ".".join(right[common:])
    if all(part.isdigit() for part in short):
        # In a list, the items behind an insertion are renumbered.
        return ("list", *left[common - 1 : common], int(short[1]) - int(short[0])), before, after
    return short, *short
