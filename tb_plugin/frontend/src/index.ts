// The module TensorBoard imports; it calls `render()` once the tab's frame exists.
import { overHttp } from "./api/http";
import { dataSource } from "./api/source";
import { show } from "./shell/render";
import { insideTensorBoard } from "./state/hash";
// TensorBoard loads only index.js; a bundled style sheet must be linked by hand.
import styleSheet from "./style/index.css?url";

export const render = (): void => {
  insideTensorBoard();
  show(dataSource(overHttp()), styleSheet);
};
