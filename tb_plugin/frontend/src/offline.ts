// The same tab alone in a file: `attn-monitor export` puts this beside the answers it will ask for.
// A notebook's frame holds the page without answers; then the kernel is asked.
import { overPort, portOfNotebook } from "./api/notebook_port";
import { insidePage } from "./api/page";
import { dataSource } from "./api/source";
import { show } from "./shell/render";
import { followSystem } from "./shell/theme";
import style from "./style/index.css?inline";

const styleSheet = `data:text/css,${encodeURIComponent(style)}`;
const answers = document.querySelectorAll<HTMLElement>("script[data-question]");
if (answers.length > 0) {
  followSystem();
  show(dataSource(insidePage(answers)), styleSheet);
} else {
  const follow = ({ dark }: { readonly dark: boolean }): void =>
    void document.body.classList.toggle("dark-mode", dark);
  void portOfNotebook().then((port) => show(dataSource(overPort(port, follow)), styleSheet));
}
