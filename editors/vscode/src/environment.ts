// Which Python has resdsl: a setting, the Python extension's choice, a .venv, or the PATH.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import * as vscode from "vscode";

const run = promisify(execFile);
const SECONDS = 20;

export interface Environment {
  /** The program and its first arguments; those of a resdsl command follow. */
  readonly command: string;
  readonly args: readonly string[];
  readonly origin: string;
}

interface PythonApi {
  readonly environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { path: string };
    resolveEnvironment(path: { path: string }): Promise<{ executable: { uri?: vscode.Uri } } | undefined>;
    readonly onDidChangeActiveEnvironmentPath: vscode.Event<unknown>;
  };
}

/** The first environment that can run the language server; the others are in `tried`, with the reason. */
export async function findEnvironment(tried: string[]): Promise<Environment | undefined> {
  for (const candidate of await candidates()) {
    const problem = await problemOf(candidate);
    if (problem === undefined) {
      return candidate;
    }
    tried.push(`${candidate.origin} (${candidate.command}): ${problem}`);
  }
  return undefined;
}

async function candidates(): Promise<Environment[]> {
  const found: Environment[] = [];
  const python = (path: string, origin: string): void => {
    found.push({ command: path, args: ["-m", "resdsl"], origin });
  };
  const chosen = vscode.workspace.getConfiguration("resdsl").get<string>("python", "");
  if (chosen) {
    python(chosen, "the setting resdsl.python");
    return found;
  }
  const active = await activePython();
  if (active) {
    python(active, "the Python extension");
  }
  // A folder that is not trusted must not choose a program to run.
  for (const folder of vscode.workspace.isTrusted ? (vscode.workspace.workspaceFolders ?? []) : []) {
    for (const path of [join(folder.uri.fsPath, ".venv", "bin", "python"), join(folder.uri.fsPath, ".venv", "Scripts", "python.exe")]) {
      if (existsSync(path)) {
        python(path, `.venv of ${folder.name}`);
      }
    }
  }
  found.push({ command: "resdsl", args: [], origin: "the PATH" });
  return found;
}

async function problemOf(candidate: Environment): Promise<string | undefined> {
  try {
    await run(candidate.command, [...candidate.args, "lsp", "--check"], { timeout: SECONDS * 1000 });
    return undefined;
  } catch (error) {
    const printed = String((error as { stderr?: string }).stderr ?? "").trim() || String(error);
    return printed.split("\n")[0];
  }
}

/** The interpreter that the Python extension has selected, if there is one. */
export async function activePython(): Promise<string | undefined> {
  const extension = vscode.extensions.getExtension<PythonApi>("ms-python.python");
  if (extension === undefined) {
    return undefined;
  }
  const api = extension.isActive ? extension.exports : await extension.activate();
  const resolved = await api.environments?.resolveEnvironment(api.environments.getActiveEnvironmentPath());
  return resolved?.executable.uri?.fsPath;
}

/** Calls `changed` when the user selects another interpreter. */
export async function onInterpreterChange(changed: () => void): Promise<vscode.Disposable> {
  const extension = vscode.extensions.getExtension<PythonApi>("ms-python.python");
  const api = extension?.isActive ? extension.exports : undefined;
  return api?.environments?.onDidChangeActiveEnvironmentPath(changed) ?? new vscode.Disposable(() => undefined);
}

/** Install the package with pip, in a terminal where the user sees what happens. */
export async function install(): Promise<void> {
  const python = vscode.workspace.getConfiguration("resdsl").get<string>("python", "") || (await activePython());
  const terminal = vscode.window.createTerminal("resdsl");
  terminal.show();
  terminal.sendText(`${python ? `"${python}" -m pip` : "pip"} install "resdsl[lsp]"`);
}
