// The grammar of resdsl for tree-sitter. It says what resdsl/syntax/grammar.lark says, with nodes that editors can ask
// for; the tests compare the two parsers on the built-in networks and on random texts.
//
// src/scanner.c decides what needs to look ahead: which line ends terminate a statement, where a label begins (a colon
// follows), and which braces in a name are a hole (`layer{i}`).

/// <reference types="tree-sitter-cli/dsl" />

const commas = (rule) => optional(seq(rule, repeat(seq(",", rule)), optional(",")));
const someCommas = (rule) => seq(rule, repeat(seq(",", rule)), optional(","));

const DISJUNCTION = 1, CONJUNCTION = 2, NEGATION = 3, COMPARISON = 4, SUM = 5, PRODUCT = 6, UNARY = 7, POSTFIX = 8;

module.exports = grammar({
  name: "res",

  externals: ($) => [$._newline, $._label_start, $._first_hole, $._next_hole, $._error_sentinel],

  extras: ($) => [/[ \t\f\r\n\uFEFF]/, $.comment],

  word: ($) => $.name,

  supertypes: ($) => [$._expression],

  rules: {
    source_file: ($) => lines($, $._item),

    _item: ($) => choice($.use, $.constant, $.model, $.block),

    use: ($) => seq("use", field("path", $.string), "(", someCommas(field("imported", $.name)), ")"),

    model: ($) => seq("model", field("name", $.name), field("parameters", optional($.parameters)), field("body", $.body)),
    block: ($) => seq("block", field("name", $.name), field("parameters", optional($.parameters)), field("body", $.body)),

    parameters: ($) => seq("(", commas($.parameter), ")"),
    parameter: ($) =>
      seq(
        field("name", $.name),
        optional(seq(":", field("type", choice($.type, $.enumeration)))),
        optional(seq("=", field("initial", $._expression))),
      ),
    type: ($) => $.name,
    enumeration: ($) => seq("{", someCommas(field("word", $.name)), "}"),

    // --- statements --------------------------------------------------------------------------------------------------

    body: ($) => seq("{", lines($, $._statement), "}"),

    _statement: ($) =>
      choice(
        $.step,
        $.aux,
        $.input,
        $.tap,
        $.output,
        $.constant,
        $.default,
        $.preprocess,
        $.labels,
        $.expect,
      ),

    input: ($) => seq("input", field("name", $.name), ":", field("type", $.type), field("shape", $.shape)),
    tap: ($) => seq("tap", field("name", $.name)),
    output: ($) => seq("output", field("name", $.name)),
    constant: ($) => seq("const", field("name", $.name), "=", field("value", $._expression)),
    default: ($) => seq("default", field("operator", $.name), field("arguments", $.arguments)),
    preprocess: ($) => seq("preprocess", field("body", $.body)),
    labels: ($) => seq("labels", field("labels", $._expression)),
    expect: ($) =>
      seq("expect", field("quantity", $.name), field("relation", choice("==", "<=", ">=")), field("value", $._claim)),
    // A conditional without comparisons in its first part: `==` after the quantity is that of `expect`.
    _claim: ($) => choice($._sum, alias($._conditional_claim, $.conditional)),
    _conditional_claim: ($) =>
      seq(field("then", $._sum), "if", field("condition", $._disjunction), "else", field("else", $._claim)),

    step: ($) =>
      seq(
        choice(seq(field("label", $.label), ":", $._labelled), $._labelled, $.stage, $.loop, $.choice),
        optional(seq("->", field("shape", $.shape))),
      ),
    _labelled: ($) => choice($.call, $.group, $.repeat, $.residual, $.join, $.resume),

    label: ($) => seq($._label_start, $._name_parts),
    _name_parts: ($) =>
      seq(choice($.word, alias($._hole_at_start, $.hole)), repeat(choice(alias($._next_word, $.word), $.hole))),
    word: (_) => /[A-Za-z0-9_]+/,
    _next_word: (_) => token.immediate(/\.?[A-Za-z0-9_]+|\./),
    _hole_at_start: ($) => seq(alias($._first_hole, "{"), field("value", $._expression), "}"),
    hole: ($) => seq(alias($._next_hole, "{"), field("value", $._expression), "}"),

    shape: ($) => seq("[", someCommas($._expression), "]"),

    call: ($) => seq(field("operator", choice($.name, alias("aux", $.name))), optional(field("arguments", $.arguments))),
    group: ($) => field("body", $.body),
    repeat: ($) =>
      seq(
        field("count", choice($.integer, $.name, alias("aux", $.name), $.parenthesised)),
        "x",
        field("repeated", choice($.call, $.group)),
      ),
    stage: ($) =>
      seq("stage", field("name", alias($._name_parts, $.label)), optional(field("arguments", $.arguments)), field("body", $.body)),
    aux: ($) => seq("aux", field("name", alias($._name_parts, $.label)), field("body", $.body)),
    residual: ($) =>
      seq("residual", optional(field("arguments", $.arguments)), field("body", $.body), optional(field("shortcut", $.shortcut))),
    shortcut: ($) =>
      seq("shortcut", choice(seq(field("kind", $._expression), optional(field("body", $.body))), field("body", $.body))),
    join: ($) => seq(field("kind", choice("concat", "add", "mul", "mean")), field("body", $.body)),
    resume: ($) => seq("from", field("tap", $.name), field("body", $.body)),
    loop: ($) =>
      seq(
        "for",
        field("variables", choice($.name, $.row)),
        "in",
        field("from", $._expression),
        optional(seq("..", field("to", $._expression))),
        field("body", $.body),
      ),
    row: ($) => seq("(", someCommas($.name), ")"),
    choice: ($) =>
      seq("if", field("condition", $._expression), field("body", $.body), optional(field("alternative", $.otherwise))),
    otherwise: ($) => seq("else", choice(field("body", $.body), $.choice)),

    // --- expressions -------------------------------------------------------------------------------------------------

    arguments: ($) => seq("(", commas(choice($._expression, $.named_argument)), ")"),
    named_argument: ($) => seq(field("name", $.name), "=", field("value", $._expression)),

    _expression: ($) => choice($._disjunction, $.conditional),
    conditional: ($) =>
      seq(field("then", $._disjunction), "if", field("condition", $._disjunction), "else", field("else", $._expression)),
    _disjunction: ($) => choice($._sum, alias($._logical, $.binary), alias($._not, $.unary), $.comparison),
    _logical: ($) =>
      choice(
        prec.left(DISJUNCTION, seq($._disjunction, field("operator", "or"), $._disjunction)),
        prec.left(CONJUNCTION, seq($._disjunction, field("operator", "and"), $._disjunction)),
      ),
    _not: ($) => prec(NEGATION, seq(field("operator", "not"), $._disjunction)),
    comparison: ($) =>
      prec.left(
        COMPARISON,
        seq(choice($._sum, $.comparison), field("operator", choice("==", "!=", "<", "<=", ">", ">=")), $._sum),
      ),
    _sum: ($) => choice($.binary, $.unary, $._postfix),
    binary: ($) =>
      choice(
        prec.left(SUM, seq($._sum, field("operator", choice("+", "-")), $._sum)),
        prec.left(PRODUCT, seq($._sum, field("operator", choice("*", "/", "//", "%")), $._sum)),
      ),
    unary: ($) => prec(UNARY, seq(field("operator", "-"), $._sum)),
    _postfix: ($) =>
      choice(
        $.integer,
        $.float,
        $.size,
        $.string,
        $.boolean,
        $.name,
        $.function_call,
        $.list,
        $.parenthesised,
        $.index,
      ),
    index: ($) => prec(POSTFIX, seq(field("list", $._postfix), "[", field("index", $._expression), "]")),
    function_call: ($) => prec(POSTFIX, seq(field("function", $.name), field("arguments", $.arguments))),
    list: ($) => seq("[", commas($._expression), "]"),
    parenthesised: ($) => seq("(", $._expression, ")"),

    boolean: (_) => choice("true", "false"),
    float: (_) => token(choice(/[0-9]+(_[0-9]+)*(\.[0-9]+(_[0-9]+)*)?([eE][+-]?[0-9]+|[KkMG])/, /[0-9]+(_[0-9]+)*\.[0-9]+(_[0-9]+)*/)),
    size: (_) => /[0-9]+x[0-9]+/,
    integer: (_) => /[0-9]+(_[0-9]+)*/,
    string: (_) => /"([^"\\\r\n]|\\["\\])*"/,
    name: (_) => /[A-Za-z_][A-Za-z0-9_]*/,
    comment: (_) => /#[^\r\n]*/,
  },
});

/** Statements, each ended by a line end or `;`. */
function lines($, statement) {
  return seq(optional(statement), repeat(seq(choice($._newline, ";"), optional(statement))));
}
