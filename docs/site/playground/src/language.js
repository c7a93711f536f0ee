// Colours while a text is typed. The language server knows the rest.
import { LanguageSupport, StreamLanguage } from "@codemirror/language";

const KEYWORDS = new Set(
  ("use model block input output tap from const default preprocess labels expect stage aux residual shortcut concat add " +
    "mul mean if else for in and or not").split(" "),
);

const res = StreamLanguage.define({
  name: "res",
  token(stream) {
    if (stream.eatSpace()) return null;
    if (stream.match(/#.*/)) return "comment";
    if (stream.match(/"(?:[^"\\]|\\.)*"?/)) return "string";
    if (stream.match(/(?:[A-Za-z0-9_.]|\{[^{}#]*\})+(?=[ \t]*:(?![:=]))/)) return "labelName";
    if (stream.match(/[0-9]+x[0-9]+|[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+|[KkMG])?/)) return "number";
    if (stream.match(/->|\.\.|[=!<>]=|\/\/|[-+*\/%<>=]/)) return "operator";
    const word = stream.match(/[A-Za-z_][A-Za-z0-9_]*/);
    if (!word) {
      stream.next();
      return "punctuation";
    }
    if (word[0] === "true" || word[0] === "false") return "bool";
    if (KEYWORDS.has(word[0])) return "keyword";
    return stream.match(/\s*=(?!=)/, false) ? "propertyName" : "variableName";
  },
  languageData: { commentTokens: { line: "#" }, closeBrackets: { brackets: ["(", "[", "{", '"'] }, indentOnInput: /^\s*\}$/ },
});

export const language = () => new LanguageSupport(res);
