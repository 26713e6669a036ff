// The module TensorBoard imports; it calls `render()` once the tab's frame exists.
import { overHttp } from "./api/http";
import { dataSource } from "./api/source";
import { show } from "./shell/render";
// TensorBoard loads only index.js; a bundled style sheet must be linked by hand.
import styleSheet from "./style/index.css?url";

export const render = (): void => show(dataSource(overHttp()), styleSheet);
