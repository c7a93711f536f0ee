// The picture beside the text. Boxes are found by their tooltips, which begin with the path of a layer.
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

const DELAY = 250;

interface Drawn {
  readonly svg?: string;
  /** What the text states of the network and does not hold, one sentence each. */
  readonly unexpected?: readonly string[];
  readonly problem?: string;
}

export class Pictures implements vscode.Disposable {
  private panel: vscode.WebviewPanel | undefined;
  private uri: vscode.Uri | undefined;
  private compare = "";
  private timer: NodeJS.Timeout | undefined;
  private readonly subscriptions: vscode.Disposable[] = [];

  constructor(private readonly client: () => LanguageClient | undefined) {
    this.subscriptions.push(
      vscode.workspace.onDidChangeTextDocument((event) => this.changed(event.document.uri)),
      vscode.window.onDidChangeActiveTextEditor((editor) => this.activated(editor)),
      vscode.window.onDidChangeTextEditorSelection((event) => void this.selected(event)),
      vscode.window.onDidChangeActiveColorTheme(() => this.schedule()),
    );
  }

  /** Show the picture of a document, or what changed in it since a revision. */
  show(uri: vscode.Uri, compare = ""): void {
    this.uri = uri;
    this.compare = compare;
    if (this.panel === undefined) {
      this.panel = vscode.window.createWebviewPanel(
        "resdsl.picture",
        "Network",
        { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true },
        { enableScripts: true, localResourceRoots: [], retainContextWhenHidden: true },
      );
      this.panel.webview.html = page();
      this.panel.webview.onDidReceiveMessage((message: { path?: unknown }) => void this.clicked(message.path));
      this.panel.onDidDispose(() => {
        this.panel = undefined;
      });
    } else {
      this.panel.reveal(undefined, true);
    }
    this.panel.title = `${compare ? "Changes of " : ""}${uri.path.split("/").pop()}`;
    void this.draw();
  }

  private activated(editor: vscode.TextEditor | undefined): void {
    if (this.panel?.visible && !this.compare && editor?.document.languageId === "res" && `${editor.document.uri}` !== `${this.uri}`) {
      this.show(editor.document.uri);
    }
  }

  private changed(uri: vscode.Uri): void {
    if (this.panel !== undefined && `${uri}` === `${this.uri}`) {
      this.schedule();
    }
  }

  private schedule(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.draw(), DELAY);
  }

  private async draw(): Promise<void> {
    const client = this.client();
    if (client === undefined || this.panel === undefined || this.uri === undefined) {
      return;
    }
    const kind = vscode.window.activeColorTheme.kind;
    const dark = kind === vscode.ColorThemeKind.Dark || kind === vscode.ColorThemeKind.HighContrast;
    try {
      const drawn = await client.sendRequest<Drawn>("resdsl/picture", {
        uri: `${this.uri}`,
        theme: dark ? "dark" : "light",
        compare: this.compare,
      });
      await this.panel?.webview.postMessage(drawn);
    } catch {
      // The text has changed meanwhile: another request follows.
      this.schedule();
    }
  }

  private async clicked(path: unknown): Promise<void> {
    const client = this.client();
    if (client === undefined || this.uri === undefined || typeof path !== "string") {
      return;
    }
    const place = await client.sendRequest<{ range: { start: { line: number; character: number } } } | null>("resdsl/place", {
      uri: `${this.uri}`,
      path,
    });
    if (place) {
      const start = new vscode.Position(place.range.start.line, place.range.start.character);
      const column = vscode.window.visibleTextEditors.find((editor) => `${editor.document.uri}` === `${this.uri}`)?.viewColumn;
      await vscode.window.showTextDocument(this.uri, { selection: new vscode.Range(start, start), viewColumn: column });
    }
  }

  private async selected(event: vscode.TextEditorSelectionChangeEvent): Promise<void> {
    const client = this.client();
    const follows = vscode.workspace.getConfiguration("resdsl").get<boolean>("picture.followCursor", true);
    if (!follows || client === undefined || !this.panel?.visible || `${event.textEditor.document.uri}` !== `${this.uri}`) {
      return;
    }
    const { line, character } = event.selections[0].active;
    try {
      const paths = await client.sendRequest<string[]>("resdsl/paths", { uri: `${this.uri}`, line, character });
      await this.panel?.webview.postMessage({ paths });
    } catch {
      // The text has changed meanwhile.
    }
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.panel?.dispose();
    for (const one of this.subscriptions) {
      one.dispose();
    }
  }
}

/** The page of the panel. The picture comes by message, and is parsed as an image of its own: no script in it runs. */
function page(): string {
  const nonce = Array.from({ length: 4 }, () => Math.random().toString(36).slice(2)).join("");
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-${nonce}'">
<style>
body { margin: 0; padding: 8px; }
#problem { position: sticky; top: 0; padding: 4px 8px; color: var(--vscode-editorWarning-foreground); background: var(--vscode-editor-background); }
#problem:empty { display: none; }
#picture svg { max-width: 100%; height: auto; }
#picture.stale svg { opacity: 0.5; }
#picture g { cursor: pointer; }
#picture g.current > rect { stroke-width: 3; }
</style>
</head>
<body>
<div id="problem" role="status"></div>
<div id="picture" aria-label="Picture of the network"></div>
<script nonce="${nonce}">
const api = acquireVsCodeApi();
const picture = document.getElementById("picture");
const problem = document.getElementById("problem");
let current = [];
function boxes() {
  return [...picture.querySelectorAll("g > title")].map((title) => [title.textContent.split("\\n")[0].split(":")[0], title.parentElement]);
}
function mark(scroll) {
  const all = boxes();
  const chosen = new Set(current.filter((path) => all.some(([name]) => name === path)));
  let first = true;
  for (const [name, box] of all) {
    const is = chosen.has(name);
    box.classList.toggle("current", is);
    if (is && first && scroll) { box.scrollIntoView({ block: "nearest", behavior: "smooth" }); first = false; }
  }
}
window.addEventListener("message", ({ data }) => {
  if (data.paths) { current = data.paths; mark(true); return; }
  const unexpected = data.unexpected ?? [];
  problem.textContent = data.problem
    ? data.problem + (picture.childElementCount ? " (the picture is an earlier one)" : "")
    : unexpected.length ? "not as the text states it: " + unexpected.join("; ") : "";
  picture.classList.toggle("stale", Boolean(data.problem));
  if (data.svg) {
    const parsed = new DOMParser().parseFromString(data.svg, "image/svg+xml");
    picture.replaceChildren(document.importNode(parsed.documentElement, true));
    mark(false);
  }
});
picture.addEventListener("click", (event) => {
  const title = event.target.closest("g")?.querySelector(":scope > title");
  if (title) api.postMessage({ path: title.textContent.split("\\n")[0].split(":")[0] });
});
</script>
</body>
</html>`;
}
