// Updates a page of `resdsl view --serve`. While the file has errors, the last valid picture stays; where only shapes and totals are
// not as the text states them, the picture is that of the text.

function followServer(app, version) {
  const trouble = document.getElementById("trouble");
  const away = document.getElementById("away");
  // The browser reconnects automatically and sends the last version that it received.
  const events = new EventSource(`events?seen=${version}`);
  const update = async () => {
    const answer = await fetch("data.json", { cache: "no-store" });
    app.update(await answer.json());
  };
  const show = (note, errors) => {
    trouble.querySelector("p").textContent = note;
    trouble.querySelector("pre").textContent = errors;
    trouble.hidden = false;
  };
  events.addEventListener("network", async () => {
    await update();
    trouble.hidden = true;
    app.say("the picture is up to date");
  });
  events.addEventListener("unexpected", async event => {
    await update();
    show("The picture is up to date. The text states other shapes or totals.", JSON.parse(event.data));
  });
  events.addEventListener("errors", event => {
    show(app.canvases.length ? "The picture shows the last version without errors." : "", JSON.parse(event.data));
  });
  events.addEventListener("error", () => {
    away.hidden = false;
  });
  events.addEventListener("open", () => {
    away.hidden = true;
  });
}
