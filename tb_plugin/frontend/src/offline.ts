// The same tab alone in a file: `attn-monitor export` puts this beside the answers it will ask for.
import { insidePage } from "./api/page";
import { dataSource } from "./api/source";
import { show } from "./shell/render";
import { followSystem } from "./shell/theme";
import style from "./style/index.css?inline";

const answers = document.querySelectorAll<HTMLElement>("script[data-question]");
followSystem();
show(dataSource(insidePage(answers)), `data:text/css,${encodeURIComponent(style)}`);
