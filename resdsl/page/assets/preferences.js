// The light or dark scheme, stored if the browser allows it.

class Preferences {
  constructor(button) {
    this.root = document.documentElement;
    this.system = matchMedia("(prefers-color-scheme: dark)");
    this.use(this.kept());
    button.addEventListener("click", () => this.toggleTheme());
  }

  get isDark() {
    return this.root.dataset.theme ? this.root.dataset.theme === "dark" : this.system.matches;
  }

  toggleTheme() {
    this.use(this.isDark ? "light" : "dark");
  }

  use(theme) {
    // The scheme of the system is not stored, so that it follows the system.
    const isUsual = theme === (this.system.matches ? "dark" : "light");
    if (theme && !isUsual) this.root.dataset.theme = theme;
    else delete this.root.dataset.theme;
    try {
      if (theme && !isUsual) localStorage.setItem("resdsl-theme", theme);
      else if (theme) localStorage.removeItem("resdsl-theme");
    } catch {
      /* a file may not keep anything: then the theme lasts as long as the page */
    }
  }

  kept() {
    try {
      return localStorage.getItem("resdsl-theme");
    } catch {
      return null;
    }
  }
}
