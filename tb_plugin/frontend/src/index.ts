// The module TensorBoard imports; it calls `render()` once the tab's frame exists.
export { render } from "./shell/render";
