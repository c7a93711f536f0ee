// Updates a page of `resdsl view --serve`. While the file has errors, the last valid picture stays.

function followServer(app, version) {
  const trouble = document.getElementById("trouble");
  const away = document.getElementById("away");
  // The browser reconnects automatically and sends the last version that it received.
  const events = new EventSource(`events?seen=${version}`);
  events.addEventListener("network", async () => {
    const answer = await fetch("data.json", { cache: "no-store" });
    app.update(await answer.json());
    trouble.hidden = true;
    app.say("the picture is up to date");
  });
  events.addEventListener("errors", event => {
    trouble.querySelector("p").textContent = app.canvases.length
      ? "The picture shows the last version without errors."
      : "";
    trouble.querySelector("pre").textContent = JSON.parse(event.data);
    trouble.hidden = false;
  });
  events.addEventListener("error", () => {
    away.hidden = false;
  });
  events.addEventListener("open", () => {
    away.hidden = true;
  });
}
