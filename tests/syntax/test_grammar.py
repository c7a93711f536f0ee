"""Every form of the language, and the tree that it makes."""

from __future__ import annotations

import logging
from importlib.resources import files
from pathlib import Path

import lark
import pytest

from resdsl.diagnostics import Diagnostics, Source, Span
from resdsl.syntax import parse, tree

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*ROOT.glob("specs/*.res"), *ROOT.glob("resdsl/std/*.res")])
NOWHERE = Span(Source("nowhere", ""), 0, 0)


def parsed(text: str) -> tree.Module:
    diagnostics = Diagnostics()
    module = parse(Source("test.res", text), diagnostics)
    assert not diagnostics.errors, [error.message for error in diagnostics.errors]
    return module


def statements(text: str) -> tuple[tree.Statement, ...]:
    """The statements of a body."""
    (definition,) = parsed(f"block b() {{\n{text}\n}}\n").items
    assert isinstance(definition, tree.Definition)
    return definition.body.statements


def statement(text: str) -> tree.Statement:
    (found,) = statements(text)
    return found


def flow(text: str) -> tree.Flow:
    step = statement(text)
    assert isinstance(step, tree.Step)
    return step.flow


def expression(text: str) -> tree.Expression:
    (item,) = parsed(f"const value = {text}").items
    assert isinstance(item, tree.Const)
    return item.value


def identifier(name: str) -> tree.Identifier:
    return tree.Identifier(name, span=NOWHERE)


def name(text: str) -> tree.Name:
    return tree.Name(text, span=NOWHERE)


def number(value: float) -> tree.Number:
    return tree.Number(value, "", span=NOWHERE)


def binary(left: tree.Expression, operator: str, right: tree.Expression) -> tree.Binary:
    return tree.Binary(operator, left, right, span=NOWHERE)


A, B, C = name("a"), name("b"), name("c")


def test_the_grammar_is_lalr1_without_a_conflict(caplog: pytest.LogCaptureFixture) -> None:
    text = files("resdsl.syntax").joinpath("grammar.lark").read_text(encoding="utf-8")
    # Lark raises for two reductions; that it preferred a shift is only in its log.
    with caplog.at_level(logging.DEBUG, logger=lark.logger.name):
        lark.Lark(text, parser="lalr", lexer="basic", start=["module", "hole"], debug=True)
    assert [record.message for record in caplog.records if "conflict" in record.message.lower()] == []


@pytest.mark.parametrize("path", SHIPPED, ids=[path.stem for path in SHIPPED])
def test_every_shipped_file_parses(path: Path) -> None:
    assert parsed(path.read_text(encoding="utf-8")).items


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1_000", 1000),
        ("007", 7),
        ("0.17", 0.17),
        ("1e-3", 0.001),
        ("1E+3", 1000.0),
        ("2.5e2", 250.0),
        ("60_192_808", 60192808),
        ("2K", 2000),
        ("25.6M", 25600000),
        ("11.51G", 11510000000),
        ("1.2345K", 1234.5),
        ("1_0.2_5", 10.25),
    ],
)
def test_numbers(text: str, value: float) -> None:
    found = expression(text)
    assert isinstance(found, tree.Number)
    assert (found.value, type(found.value), found.text) == (value, type(value), text)


def test_a_size_has_a_height_and_a_width() -> None:
    assert expression("1x7") == tree.SizeLiteral(1, 7, span=NOWHERE)


def test_strings_have_two_escapes() -> None:
    assert expression(r'"a \" b \\ c # d"') == tree.String('a " b \\ c # d', span=NOWHERE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", tree.Boolean(value=True, span=NOWHERE)),
        ("false", tree.Boolean(value=False, span=NOWHERE)),
        ("half", name("half")),
        ("[]", tree.ListLiteral((), span=NOWHERE)),
        ("[a, b,]", tree.ListLiteral((A, B), span=NOWHERE)),
        ("_", tree.Wildcard(span=NOWHERE)),
        ("a[b][c]", tree.Index(tree.Index(A, B, span=NOWHERE), C, span=NOWHERE)),
        ("max(a, b)", tree.FunctionCall(
            identifier("max"),
            (tree.Argument(None, A, span=NOWHERE), tree.Argument(None, B, span=NOWHERE)),
            span=NOWHERE,
        )),
        ("pad(zeros = a)", tree.FunctionCall(
            identifier("pad"), (tree.Argument(identifier("zeros"), A, span=NOWHERE),), span=NOWHERE
        )),
        ("-a[b]", tree.Unary("-", tree.Index(A, B, span=NOWHERE), span=NOWHERE)),
        ("--a", tree.Unary("-", tree.Unary("-", A, span=NOWHERE), span=NOWHERE)),
        ("a - b - c", binary(binary(A, "-", B), "-", C)),
        ("a - (b - c)", binary(A, "-", binary(B, "-", C))),
        ("a + b * c", binary(A, "+", binary(B, "*", C))),
        ("a // b % c / a", binary(binary(binary(A, "//", B), "%", C), "/", A)),
        ("-a * b", binary(tree.Unary("-", A, span=NOWHERE), "*", B)),
        ("a < b + c", binary(A, "<", binary(B, "+", C))),
        ("(a < b) == c", binary(binary(A, "<", B), "==", C)),
        ("not a == b", tree.Unary("not", binary(A, "==", B), span=NOWHERE)),
        ("not a and b", binary(tree.Unary("not", A, span=NOWHERE), "and", B)),
        ("a or b and c", binary(A, "or", binary(B, "and", C))),
        ("a and b or c", binary(binary(A, "and", B), "or", C)),
        ("a if b or c else b", tree.Conditional(A, binary(B, "or", C), B, span=NOWHERE)),
        ("a if b else b if c else a", tree.Conditional(
            A, B, tree.Conditional(B, C, A, span=NOWHERE), span=NOWHERE
        )),
    ],
)  # fmt: skip
def test_expressions_and_their_precedence(text: str, value: tree.Expression) -> None:
    assert expression(text) == value


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "//", "%", "==", "!=", "<", "<=", ">", ">=", "and", "or"])
def test_every_operator_of_two_values(operator: str) -> None:
    assert expression(f"a {operator} b") == binary(A, operator, B)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("conv1", ("conv1",)),
        ("0", ("0",)),
        ("a.b.0", ("a.b.0",)),
        ("layer{a}", ("layer", A)),
        ("{a}", (A,)),
        ("{a}.b{c}", (A, ".b", C)),
        ("l{a - 1}x", ("l", binary(A, "-", number(1)), "x")),
        ("shortcut", ("shortcut",)),
        ("else", ("else",)),
        ("stage", ("stage",)),
    ],
)
def test_labels(text: str, parts: tuple[str | tree.Expression, ...]) -> None:
    step = statement(f"{text}: relu")
    assert isinstance(step, tree.Step)
    assert step.label is not None
    assert step.label.parts == parts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("layer1 { relu }", ("layer1",)),
        ("layer1{relu}", ("layer1",)),
        ("features.0 { relu }", ("features.0",)),
        ("layer{a}(stride = 2) { relu }", ("layer", A)),
        ("layer{a} { relu }", ("layer", A)),
        ("a{b}.c{c} { relu }", ("a", B, ".c", C)),
        ("add { relu }", ("add",)),
        ("7 { relu }", ("7",)),
    ],
)
def test_names_of_stages_are_labels_without_a_colon(text: str, parts: tuple[str | tree.Expression, ...]) -> None:
    stage = flow(f"stage {text}")
    assert isinstance(stage, tree.Stage)
    assert stage.label.parts == parts
    assert len(stage.body.statements) == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("conv(64, 3x3, stride = 2)", tree.Call),
        ("relu", tree.Call),
        ("relu()", tree.Call),
        ("{ relu; bn }", tree.Group),
        ("3 x bottleneck(64)", tree.Repeat),
        ("n x bottleneck", tree.Repeat),
        ("x x x", tree.Repeat),
        ("(n // 2 - 1) x bottleneck(64)", tree.Repeat),
        ("stage layer1 { relu }", tree.Stage),
        ("residual { relu }", tree.Residual),
        ("concat { relu; identity }", tree.Join),
        ("add { relu; identity }", tree.Join),
        ("mul { relu; identity }", tree.Join),
        ("mean { resnet101(); resnet152() }", tree.Join),
        ("from c2 { relu }", tree.From),
        ("for i in 1..6 { relu }", tree.For),
        ("for i in a - 1..2 * b { relu }", tree.For),
        ("if a == 1 { relu }", tree.If),
    ],
)
def test_what_makes_values(text: str, kind: type[tree.Flow]) -> None:
    assert isinstance(flow(text), kind)
    annotated = statement(f"{text} -> [N, 512, H // 4, _]")
    assert isinstance(annotated, tree.Step)
    assert annotated.shape == tree.Shape(
        (name("N"), number(512), binary(name("H"), "//", number(4)), tree.Wildcard(span=NOWHERE)), span=NOWHERE
    )


@pytest.mark.parametrize(
    "text", ["conv(64)", "{ relu }", "3 x b(64)", "residual { relu }", "concat { relu }", "from c2 { relu }"]
)
def test_what_may_have_a_label(text: str) -> None:
    step = statement(f"a.b: {text}")
    assert isinstance(step, tree.Step)
    assert step.label == tree.LabelTree(("a.b",), span=NOWHERE)
    assert step.flow == flow(text)


def test_arguments_by_position_and_by_name() -> None:
    call = flow("conv(64, 3x3, stride = 2, pad = [0, 0, 1, 1],)")
    assert isinstance(call, tree.Call)
    assert [argument.name and argument.name.name for argument in call.arguments] == [None, None, "stride", "pad"]


@pytest.mark.parametrize("word", ["input", "mean", "x", "stage", "from", "for", "in", "shortcut", "output", "model"])
def test_keywords_are_names_where_no_keyword_can_stand(word: str) -> None:
    call = flow(f"normalize({word} = 1, std = {word})")
    assert isinstance(call, tree.Call)
    assert call.arguments[0].name == identifier(word)
    assert call.arguments[1].value == name(word)
    (item,) = parsed(f"const {word} = 1").items
    assert isinstance(item, tree.Const)
    assert item.name == identifier(word)


@pytest.mark.parametrize(
    ("text", "kind", "has_body"),
    [
        ("", None, False),
        ("shortcut identity", name("identity"), False),
        ("shortcut skip { bn }", name("skip"), True),
        ("shortcut { bn }", None, True),
        (
            "shortcut pad(zeros = both)",
            tree.FunctionCall(
                identifier("pad"), (tree.Argument(identifier("zeros"), name("both"), span=NOWHERE),), span=NOWHERE
            ),
            False,
        ),
        ("\n\n  shortcut none", name("none"), False),
        ("# why\n  # really\n  shortcut none", name("none"), False),
    ],
)
def test_shortcuts(text: str, kind: tree.Expression | None, has_body: bool) -> None:
    residual = flow(f"residual(scale = 0.17) {{ relu }} {text}")
    assert isinstance(residual, tree.Residual)
    assert residual.kind == kind
    assert (residual.shortcut is not None) == has_body
    assert residual.keyword_span.text == "residual"
    written = text.rsplit("\n", maxsplit=1)[-1].strip()
    assert (residual.shortcut_span.text if residual.shortcut_span else "") == written.removesuffix("{ bn }").strip()


def test_else_if_is_a_choice_inside_of_else() -> None:
    choice = flow("if a { relu }\nelse if b { bn }\nelse { tanh }")
    assert isinstance(choice, tree.If)
    assert choice.otherwise is not None
    (inner,) = choice.otherwise.statements
    assert isinstance(inner, tree.Step)
    assert isinstance(inner.flow, tree.If)
    assert inner.flow.condition == B
    assert inner.flow.otherwise is not None


def test_declarations() -> None:
    found = statements(
        "input image: f32[N, 3, H, W]\ntap c2\noutput logits\nconst w = 64\ndefault bn(eps = 1e-3)\n"
        'labels "imagenet1k"\n'
        "expect macs <= 11.51G\nexpect shape == [N, _]\npreprocess { resize(256); crop(224) }"
    )
    image, tap, output, const, default, labels, macs, shape, preprocess = found
    assert isinstance(image, tree.Input)
    assert (image.name.name, image.dtype.name, len(image.shape.dims)) == ("image", "f32", 4)
    assert tap == tree.Tap(identifier("c2"), span=NOWHERE)
    assert output == tree.Output(identifier("logits"), span=NOWHERE)
    assert const == tree.Const(identifier("w"), number(64), span=NOWHERE)
    assert isinstance(default, tree.Default)
    assert default.callee.name == "bn"
    assert labels == tree.Labels(tree.String("imagenet1k", span=NOWHERE), span=NOWHERE)
    assert macs == tree.Expect(identifier("macs"), "<=", number(11510000000), span=NOWHERE)
    assert isinstance(shape, tree.Expect)
    assert isinstance(shape.value, tree.ListLiteral)
    assert isinstance(preprocess, tree.Preprocess)
    assert [call.callee.name for call in preprocess.steps] == ["resize", "crop"]


def test_definitions() -> None:
    use, top, block, model = parsed(
        'use "std/residual.res" (bottleneck, basic,)\nconst w = 64\n'
        "block b(width, stride: int = 1, kind: {conv1, conv2} = conv2, f: block, skip: shortcut = none) { relu }\n"
        "model m { relu }"
    ).items
    assert isinstance(use, tree.Use)
    assert (use.path.value, [one.name for one in use.names]) == ("std/residual.res", ["bottleneck", "basic"])
    assert isinstance(top, tree.Const)
    assert isinstance(block, tree.Definition)
    assert [(p.name.name, p.annotation.name if p.annotation else None) for p in block.parameters] == [
        ("width", None), ("stride", "int"), ("kind", ""), ("f", "block"), ("skip", "shortcut"),
    ]  # fmt: skip
    kind = block.parameters[2].annotation
    assert kind is not None
    assert [member.name for member in kind.members] == ["conv1", "conv2"]
    assert kind.span.text == "{conv1, conv2}"
    assert isinstance(model, tree.Definition)
    assert (model.kind, model.parameters) == ("model", ())


@pytest.mark.parametrize(
    "text",
    [
        "relu\nbn\ntanh",
        "relu; bn; tanh",
        "\n\nrelu;;\n;bn;\n\n\ntanh;",
        "relu\r\nbn\r\ntanh\r\n",
        "\trelu\n\tbn # c\n# d\n\n\ttanh\f",
    ],
)
def test_statements_end_with_the_line_or_a_semicolon(text: str) -> None:
    assert statements(text) == statements("relu\nbn\ntanh")


@pytest.mark.parametrize(
    ("text", "on_one_line"),
    [
        ("conv(\n  64,\n  3x3\n)", "conv(64, 3x3)"),
        ("relu -> [\nN,\n3]", "relu -> [N, 3]"),
        ("relu\n-> [N, 3]", "relu -> [N, 3]"),
        ("const a = (1 +\n2)", "const a = 1 + 2"),
        ("const a = (\nstage if b\nelse 3)", "const a = stage if b else 3"),
        ("const a = (3 if b else\n\nstage and c)", "const a = 3 if b else stage and c"),
        ("const a = [1,\naux or b]", "const a = [1, aux or b]"),
    ],
)
def test_lines_end_nothing_inside_of_brackets(text: str, on_one_line: str) -> None:
    assert statements(text) == statements(on_one_line)


def test_an_enumeration_may_have_several_lines() -> None:
    assert parsed("block b(\n  kind: {\n    a,\n    b,\n  } = a,\n) { relu }") == parsed(
        "block b(kind: {a, b} = a) { relu }"
    )


def test_a_byte_order_mark_is_accepted() -> None:
    assert parsed("\ufeffconst a = 1") == parsed("const a = 1")


@pytest.mark.parametrize("text", ["", "\n", " # nothing", "\ufeff", ";\n;"])
def test_a_text_of_nothing_has_no_items(text: str) -> None:
    assert parsed(text).items == ()


def test_comments_are_kept_with_their_places() -> None:
    module = parsed("# one\nconst a = 1  # two \n\n  # three\n")
    assert [(comment.text, comment.own_line) for comment in module.comments] == [
        ("# one", True), ("# two", False), ("# three", True),
    ]  # fmt: skip
    assert [comment.span.text for comment in module.comments] == ["# one", "# two", "# three"]


def test_spans_cover_what_was_written() -> None:
    text = "block b() {\n  denselayer{i + 1}: conv((2) * n[0], stride = 2) -> [N]\n}\n"
    (definition,) = parsed(text).items
    assert isinstance(definition, tree.Definition)
    assert definition.span.text == text.strip()
    (step,) = definition.body.statements
    assert isinstance(step, tree.Step)
    assert step.span.text == "denselayer{i + 1}: conv((2) * n[0], stride = 2) -> [N]"
    assert step.label is not None
    hole = step.label.parts[1]
    assert isinstance(hole, tree.Binary)
    assert (hole.span.text, hole.left.span.text) == ("i + 1", "i")
    assert isinstance(step.flow, tree.Call)
    product, stride = step.flow.arguments
    assert (product.span.text, stride.span.text) == ("(2) * n[0]", "stride = 2")
    assert isinstance(product.value, tree.Binary)
    assert (product.value.left.span.text, product.value.right.span.text) == ("(2)", "n[0]")
    assert step.shape is not None
    assert step.shape.span.text == "[N]"
