// Tasks that run commands of resdsl, whose errors become problems.
import * as vscode from "vscode";
import type { Environment } from "./environment";

const COMMANDS: Readonly<Record<string, vscode.TaskGroup | undefined>> = {
  check: vscode.TaskGroup.Test,
  fmt: undefined,
  compile: vscode.TaskGroup.Build,
  summary: undefined,
};

interface Definition extends vscode.TaskDefinition {
  readonly command: string;
  readonly file?: string;
}

export class Tasks implements vscode.TaskProvider {
  constructor(private readonly environment: () => Environment | undefined) {}

  provideTasks(): vscode.Task[] {
    const folder = vscode.workspace.workspaceFolders?.[0];
    const check = this.task({ type: "resdsl", command: "check" }, folder ?? vscode.TaskScope.Workspace);
    return check ? [check] : [];
  }

  resolveTask(task: vscode.Task): vscode.Task | undefined {
    return this.task(task.definition as Definition, task.scope ?? vscode.TaskScope.Workspace);
  }

  private task(definition: Definition, scope: vscode.WorkspaceFolder | vscode.TaskScope): vscode.Task | undefined {
    const environment = this.environment();
    if (environment === undefined || !(definition.command in COMMANDS)) {
      return undefined;
    }
    const args = [...environment.args, definition.command, definition.file ?? "."];
    const task = new vscode.Task(
      definition,
      scope,
      `${definition.command}${definition.file ? ` ${definition.file}` : ""}`,
      "resdsl",
      new vscode.ProcessExecution(environment.command, args),
      "$resdsl",
    );
    task.group = COMMANDS[definition.command];
    return task;
  }
}
