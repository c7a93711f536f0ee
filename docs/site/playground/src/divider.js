// The line between text and picture, which can be dragged, and moved by the arrow keys.
const LEAST = 20; // percent of the width

export function divider(element, main) {
  let share = Number(element.getAttribute("aria-valuenow"));
  const set = (percent) => {
    share = Math.min(100 - LEAST, Math.max(LEAST, percent));
    main.style.setProperty("--share", `${share}%`);
    element.setAttribute("aria-valuenow", String(Math.round(share)));
  };
  element.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -4, ArrowRight: 4 }[event.key];
    if (!step) return;
    event.preventDefault();
    set(share + step);
  });
  element.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    element.setPointerCapture(event.pointerId); // also over the frame of the explorer
  });
  element.addEventListener("pointermove", (event) => {
    if (!element.hasPointerCapture(event.pointerId)) return;
    const { left, width } = main.getBoundingClientRect();
    set(((event.clientX - left) / width) * 100);
  });
}
