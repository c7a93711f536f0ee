// What the grammar needs to look ahead for. It keeps no state.

#include "tree_sitter/parser.h"

#include <stdbool.h>
#include <stddef.h>

enum Token { NEWLINE, LABEL_START, FIRST_HOLE, NEXT_HOLE, ERROR_SENTINEL };

static bool is_blank(int32_t c) { return c == ' ' || c == '\t' || c == '\f' || c == '\r'; }

static bool is_word(int32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static void advance(TSLexer *lexer) { lexer->advance(lexer, false); }

static void skip_blanks(TSLexer *lexer) {
  while (is_blank(lexer->lookahead)) lexer->advance(lexer, true);
}

static void skip_spaces(TSLexer *lexer) {
  while (lexer->lookahead == ' ' || lexer->lookahead == '\t') advance(lexer);
}

/// Whether the text goes on with this word, which nothing follows that belongs to it.
static bool at_word(TSLexer *lexer, const char *word) {
  for (; *word; word++) {
    if (lexer->lookahead != *word) return false;
    advance(lexer);
  }
  return !is_word(lexer->lookahead);
}

/// A line end terminates a statement unless `shortcut`, `else` or `->` follows, behind any blank lines and comments.
static bool scan_newline(TSLexer *lexer) {
  advance(lexer);
  lexer->mark_end(lexer);
  while (!lexer->eof(lexer)) {
    if (is_blank(lexer->lookahead) || lexer->lookahead == '\n') {
      advance(lexer);
    } else if (lexer->lookahead == '#') {
      while (!lexer->eof(lexer) && lexer->lookahead != '\n') advance(lexer);
    } else {
      break;
    }
  }
  lexer->result_symbol = NEWLINE;
  switch (lexer->lookahead) {
    case 's': return !at_word(lexer, "shortcut");
    case 'e': return !at_word(lexer, "else");
    case '-': advance(lexer); return lexer->lookahead != '>';
    default: return true;
  }
}

/// Reads the rest of `{...}`: up to 200 characters, none of them a brace, a comment or a line end. Gives their number,
/// or -1.
static int read_hole(TSLexer *lexer) {
  for (int length = 0; length <= 200; length++, advance(lexer)) {
    int32_t c = lexer->lookahead;
    if (c == '}') {
      advance(lexer);
      return length;
    }
    if (lexer->eof(lexer) || c == '{' || c == '#' || c == '\n') return -1;
  }
  return -1;
}

/// A label begins where parts of a name and then a colon follow, which is not that of `::` or `:=`.
static bool scan_label_start(TSLexer *lexer) {
  lexer->mark_end(lexer);
  bool dotted = false, any = false;
  while (true) {
    if (is_word(lexer->lookahead)) {
      while (is_word(lexer->lookahead)) advance(lexer);
    } else if (lexer->lookahead == '{') {
      advance(lexer);
      if (read_hole(lexer) < 0) return false;
    } else if (lexer->lookahead == '.' && any && !dotted) {
      advance(lexer);
      dotted = true;
      continue;
    } else {
      break;
    }
    any = true;
    dotted = false;
  }
  if (!any || dotted) return false;
  skip_spaces(lexer);
  if (lexer->lookahead != ':') return false;
  advance(lexer);
  lexer->result_symbol = LABEL_START;
  return lexer->lookahead != ':' && lexer->lookahead != '=';
}

/// The opening brace of a hole. Behind a hole the name goes on, or arguments, a body or a colon follow: `layer1{relu}`
/// is a name and a body.
static bool scan_hole(TSLexer *lexer, enum Token token) {
  lexer->result_symbol = token;
  if (lexer->lookahead != '{') return false;
  advance(lexer);
  lexer->mark_end(lexer);
  if (read_hole(lexer) < 1) return false;
  if (is_word(lexer->lookahead) || lexer->lookahead == '.') return true;
  skip_spaces(lexer);
  return lexer->lookahead == '(' || lexer->lookahead == '{' || lexer->lookahead == ':';
}

void *tree_sitter_res_external_scanner_create(void) { return NULL; }
void tree_sitter_res_external_scanner_destroy(void *payload) { (void)payload; }
unsigned tree_sitter_res_external_scanner_serialize(void *payload, char *buffer) {
  (void)payload, (void)buffer;
  return 0;
}
void tree_sitter_res_external_scanner_deserialize(void *payload, const char *buffer, unsigned length) {
  (void)payload, (void)buffer, (void)length;
}

bool tree_sitter_res_external_scanner_scan(void *payload, TSLexer *lexer, const bool *valid) {
  (void)payload;
  if (valid[ERROR_SENTINEL]) {
    // Recovering from an error: a line end is where a statement may begin again; nothing else can be told.
    skip_blanks(lexer);
    return lexer->lookahead == '\n' && scan_newline(lexer);
  }
  if (valid[NEXT_HOLE] && lexer->lookahead == '{') return scan_hole(lexer, NEXT_HOLE);
  skip_blanks(lexer);
  if (valid[NEWLINE] && lexer->lookahead == '\n') return scan_newline(lexer);
  if (valid[FIRST_HOLE] && !valid[LABEL_START] && lexer->lookahead == '{') return scan_hole(lexer, FIRST_HOLE);
  if (valid[LABEL_START] && (is_word(lexer->lookahead) || lexer->lookahead == '{')) return scan_label_start(lexer);
  return false;
}
