// A page from `resdsl view --serve` follows the file. While that has mistakes, the last good picture stays.

function followServer(app) {
  const trouble = document.getElementById("trouble");
  const events = new EventSource("events");
  events.addEventListener("network", async () => {
    const data = await (await fetch("data.json", { cache: "no-store" })).json();
    trouble.hidden = true;
    app.update(data);
    app.say("the picture is up to date");
  });
  events.addEventListener("mistakes", event => {
    trouble.hidden = false;
    trouble.querySelector("pre").textContent = JSON.parse(event.data);
    trouble.querySelector("p").textContent = app.canvases.length ? "The picture shows the last version without mistakes." : "";
  });
  events.addEventListener("error", () => { document.getElementById("away").hidden = false; });
  events.addEventListener("open", () => { document.getElementById("away").hidden = true; });
}
