// Runs in the extension host: asks VS Code itself for what the extension resdsl gives it, and writes the answers as JSON.
const fs = require("node:fs");
const vscode = require("vscode");

const PATIENCE = 120_000;

async function until(what, ready) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await new Promise((done) => setTimeout(done, 200))) {
    const found = await ready();
    if (found) return found;
  }
  throw new Error(`no ${what}`);
}

const range = ({ start, end }) => [start.line, start.character, end.line, end.character];

async function answers() {
  const uri = vscode.Uri.joinPath(vscode.workspace.workspaceFolders[0].uri, "a.res");
  const document = await vscode.workspace.openTextDocument(uri);
  const editor = await vscode.window.showTextDocument(document);
  const ask = (command, ...rest) => vscode.commands.executeCommand(`vscode.execute${command}`, uri, ...rest);
  const at = (line, character) => new vscode.Position(line, character);
  const problems = () => vscode.languages.getDiagnostics(uri);
  const found = { language: document.languageId };

  await until("diagnostics", () => problems().length);
  found.problems = problems().map((one) => ({ message: one.message, code: one.code?.value ?? one.code, range: range(one.range) }));
  const fixes = await until("fix", async () => {
    const given = await ask("CodeActionProvider", problems()[0].range);
    return given.length && given;
  });
  found.fix = fixes[0].title;
  await vscode.workspace.applyEdit(fixes[0].edit);
  await until("end of the diagnostics", () => problems().length === 0);
  found.fixed = document.lineAt(3).text;

  const whole = new vscode.Range(0, 0, document.lineCount, 0);
  const hints = await until("hints", async () => {
    const given = await ask("InlayHintProvider", whole);
    return given.length && given;
  });
  found.hints = hints.map((one) => [one.position.line, String(one.label)]);
  found.lenses = (await ask("CodeLensProvider")).map((one) => one.command?.title);
  found.hover = (await ask("HoverProvider", at(3, 10))).flatMap((one) => one.contents.map((part) => part.value ?? part)).join("\n");
  found.completion = (await ask("CompletionItemProvider", at(4, 8))).items.map((item) => item.label.label ?? item.label);
  found.symbols = (await ask("DocumentSymbolProvider")).map((symbol) => symbol.name);
  found.definition = (await ask("DefinitionProvider", at(4, 10))).map((one) => range(one.range ?? one.targetSelectionRange));
  found.colours = (await vscode.commands.executeCommand("vscode.provideDocumentSemanticTokens", uri)).data.length;

  await vscode.workspace.applyEdit(await ask("DocumentRenameProvider", at(0, 8), "unit"));
  found.renamed = [document.lineAt(0).text, document.lineAt(4).text];
  await vscode.commands.executeCommand("editor.action.formatDocument");
  found.formatted = document.lineAt(3).text;
  found.tasks = (await vscode.tasks.fetchTasks({ type: "resdsl" })).map((task) => task.name);

  editor.selection = new vscode.Selection(at(4, 4), at(4, 4));
  await vscode.commands.executeCommand("resdsl.showPicture", uri);
  const tabs = () => vscode.window.tabGroups.all.flatMap((group) => group.tabs);
  const picture = await until("picture", () => tabs().find((tab) => tab.input instanceof vscode.TabInputWebview));
  found.picture = picture.label;

  // A wrong total: the picture stays that of the text (the browser looks at it), and a fix states the right one.
  const edit = new vscode.WorkspaceEdit();
  edit.insert(uri, at(5, 0), "  expect depth == 9\n");
  await vscode.workspace.applyEdit(edit);
  await until("wrong total", () => problems().length);
  found.updates = (await ask("CodeActionProvider", problems()[0].range)).map((one) => one.title);
  await document.save();
  return found;
}

exports.activate = async () => {
  let written;
  try {
    written = await answers();
  } catch (error) {
    written = { error: String(error.stack) };
  }
  fs.writeFileSync(process.env.RESDSL_ANSWERS, JSON.stringify(written));
};
