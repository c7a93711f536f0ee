// Tables that are wider than the screen scroll in boxes that the theme makes; a keyboard can scroll what has the focus.
function makeFocusable() {
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
addEventListener("load", makeFocusable);
addEventListener("resize", makeFocusable);
