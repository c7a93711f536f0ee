// Starts the language server, and adds what the protocol does not have: the picture, tasks, and how to install it.
import * as vscode from "vscode";
import { LanguageClient } from "vscode-languageclient/node";
import { type Environment, findEnvironment, install, onInterpreterChange } from "./environment";
import { Pictures } from "./picture";
import { Tasks } from "./tasks";

let client: LanguageClient | undefined;
let environment: Environment | undefined;
let output: vscode.LogOutputChannel;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  output = vscode.window.createOutputChannel("resdsl", { log: true });
  const pictures = new Pictures(() => client);
  const command = (name: string, run: (uri: vscode.Uri) => unknown): vscode.Disposable =>
    vscode.commands.registerCommand(`resdsl.${name}`, (given?: vscode.Uri) => {
      const uri = given ?? vscode.window.activeTextEditor?.document.uri;
      return uri === undefined ? vscode.window.showInformationMessage("Open a .res file first.") : run(uri);
    });
  context.subscriptions.push(
    output,
    pictures,
    command("showPicture", (uri) => pictures.show(uri)),
    command("showChanges", (uri) => pictures.show(uri, "HEAD")),
    command("compileFile", (uri) => onSaved(uri, "resdsl.compile")),
    command("compareFile", (uri) => onSaved(uri, "resdsl.compare", "HEAD")),
    vscode.commands.registerCommand("resdsl.restart", restart),
    vscode.commands.registerCommand("resdsl.install", install),
    vscode.tasks.registerTaskProvider("resdsl", new Tasks(() => environment)),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("resdsl.python")) {
        void restart();
      }
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void restart()),
  );
  await restart();
  context.subscriptions.push(await onInterpreterChange(() => void restart()));
}

export async function deactivate(): Promise<void> {
  await client?.stop();
}

async function restart(): Promise<void> {
  await client?.stop();
  client = undefined;
  const tried: string[] = [];
  environment = await findEnvironment(tried);
  await vscode.commands.executeCommand("setContext", "resdsl.ready", environment !== undefined);
  if (environment === undefined) {
    tried.forEach((line) => output.warn(line));
    await offerInstallation();
    return;
  }
  output.info(`resdsl of ${environment.origin}: ${environment.command}`);
  const run = { command: environment.command, args: [...environment.args, "lsp"] };
  client = new LanguageClient(
    "resdsl",
    "resdsl",
    { run, debug: run },
    {
      documentSelector: [{ language: "res" }],
      outputChannel: output,
      synchronize: {
        configurationSection: "resdsl",
        fileEvents: vscode.workspace.createFileSystemWatcher("**/*.res"),
      },
    },
  );
  await client.start();
}

async function offerInstallation(): Promise<void> {
  const [installIt, select, details] = ["Install resdsl", "Select Interpreter", "Details"];
  const answer = await vscode.window.showWarningMessage(
    "No Python environment with resdsl[lsp] was found: files have colours, but no errors, shapes and pictures.",
    installIt,
    select,
    details,
  );
  if (answer === installIt) {
    await install();
  } else if (answer === select) {
    await vscode.commands.executeCommand("python.setInterpreter");
  } else if (answer === details) {
    output.show();
  }
}

/** Run a command of the server on what is on the disk. */
async function onSaved(uri: vscode.Uri, command: string, ...args: string[]): Promise<void> {
  const document = await vscode.workspace.openTextDocument(uri);
  await document.save();
  const done = await client?.sendRequest<{ succeeded: boolean; output: string }>("workspace/executeCommand", {
    command,
    arguments: [`${uri}`, ...args],
  });
  if (done?.succeeded && done.output.endsWith(".md")) {
    await vscode.commands.executeCommand("markdown.showPreviewToSide", vscode.Uri.file(done.output));
  }
}
