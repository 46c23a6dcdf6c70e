// A report stands still: only the keys, and the button that prints it.
import { listenToKeys } from "./keys.js";

listenToKeys(() => {});
const print = document.getElementById("print");
if (print) {
  print.hidden = false;
  print.addEventListener("click", () => globalThis.print());
}
document.documentElement.dataset.ready = "";
