// What the language server finds in a text: in its editor, with the fixes that it offers, and in a sentence beside the picture.
import { setDiagnostics } from "@codemirror/lint";
import { LSPPlugin } from "@codemirror/lsp-client";

const SEVERITIES = ["error", "error", "warning", "info", "hint"];
const CLAIMS = new Set(["E0501", "E0502", "E0503"]); // what a text states of its network: the network is known all the same
const MOST_FIXES = 20; // diagnostics whose fixes are asked for

/** Shows diagnostics in an editor, at once, and with their fixes when the picture is `drawn` and the server has named them. */
export async function showDiagnostics(client, view, uri, found, drawn) {
  const plugin = LSPPlugin.get(view);
  const at = (position) => plugin.unsyncedChanges.mapPos(plugin.fromPosition(position, plugin.syncedDoc));
  const shown = found.map(({ range, severity, message }) => ({
    from: at(range.start),
    to: at(range.end),
    severity: SEVERITIES[severity ?? 1],
    message,
  }));
  view.dispatch(setDiagnostics(view.state, shown));
  const doc = view.state.doc;
  let any = false;
  await drawn; // there is one worker, and a fix may have to be tried
  for (const [index, diagnostic] of found.slice(0, MOST_FIXES).entries()) {
    const fixes = await fixesOf(client, view, uri, diagnostic);
    if (view.state.doc !== doc) return;
    shown[index].actions = fixes.map(({ title, apply }) => ({ name: title, apply }));
    any ||= fixes.length > 0;
  }
  if (any) view.dispatch(setDiagnostics(view.state, shown));
}

/** The quick fixes of a diagnostic, each with a function that applies it to the text as it is now. */
export async function fixesOf(client, view, uri, diagnostic) {
  const doc = view.state.doc;
  const context = { diagnostics: [diagnostic], only: ["quickfix"] };
  let actions;
  try {
    actions = await client.request("textDocument/codeAction", { textDocument: { uri }, range: diagnostic.range, context });
  } catch {
    return []; // the text has changed
  }
  const offset = ({ line, character }) => (line < doc.lines ? doc.line(line + 1).from + character : doc.length);
  return (actions ?? []).map(({ title, edit }) => ({
    title,
    apply() {
      if (view.state.doc !== doc) return; // places in another text
      const changes = edit.changes[uri].map(({ range, newText }) => ({ from: offset(range.start), to: offset(range.end), insert: newText }));
      view.dispatch({ changes, userEvent: "input.fix" });
      view.focus();
    },
  }));
}

export const claimsOf = (found) => found.filter(({ severity, code }) => severity === 1 && CLAIMS.has(code));

/** "line 3" or "lines 3, 5 and 7" */
function linesOf(found) {
  const lines = [...new Set(found.map(({ range }) => range.start.line + 1))].sort((one, other) => one - other);
  if (lines.length > 5) return `${lines.length} lines`;
  const last = lines.pop();
  return lines.length ? `lines ${lines.join(", ")} and ${last}` : `line ${last}`;
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);

/** Why the picture is not that of the text, or the text not that of the picture; empty if all is well. */
export function noticeOf(found, { isEmpty, hasPicture, problem }) {
  if (isEmpty) return "Write a network, choose an example, or drop an ONNX file here.";
  const claims = claimsOf(found);
  const errors = found.filter(({ severity }) => severity === 1);
  if (problem && hasPicture) {
    return errors.length ? `This is from before the error${errors.length > 1 ? "s" : ""} in ${linesOf(errors)}.` : problem;
  }
  if (problem) return problem;
  if (!claims.length) return "";
  const one = new Set(claims.map(({ range }) => range.start.line)).size === 1;
  return `${capital(linesOf(claims))} ${one ? "does" : "do"} not fit the network as it is now.`;
}
